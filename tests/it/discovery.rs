//! What a client can find out with nothing but the address: health, reflection, the methods.

use task_scheduler::pb;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::server::{Server, Setup, stock, with_methods};
use crate::waiting::soon;

async fn channel(server: &Server) -> Channel {
    let endpoint = tonic::transport::Endpoint::try_from(format!("http://{}", server.addr()));
    soon(endpoint.unwrap().connect()).await.unwrap()
}

#[tokio::test]
async fn health_is_reported_for_the_server_and_for_its_service() {
    let server = stock();
    let mut health = HealthClient::new(channel(&server).await);
    for service in ["", "taskscheduler.TaskScheduler"] {
        let request = HealthCheckRequest { service: service.into() };
        let answer = soon(health.check(request)).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let request = HealthCheckRequest { service: "no.such.Service".into() };
    assert_eq!(soon(health.check(request)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn every_health_answer_names_the_store() {
    for store in ["memory", "sqlite"] {
        let server = Setup::stock().flags(["--store", store]).start();
        let mut health = HealthClient::new(channel(&server).await);
        let named = |metadata: &MetadataMap| {
            metadata.get("task-scheduler-store").map(|name| name.to_str().unwrap().to_owned())
        };
        let known = HealthCheckRequest::default();
        let answer = soon(health.check(known.clone())).await.unwrap();
        assert_eq!(named(answer.metadata()).as_deref(), Some(store));
        let watching = soon(health.watch(known)).await.unwrap();
        assert_eq!(named(watching.metadata()).as_deref(), Some(store));
        let unknown = HealthCheckRequest { service: "no.such.Service".into() };
        let refused = soon(health.check(unknown)).await.unwrap_err();
        assert_eq!(named(refused.metadata()).as_deref(), Some(store));
    }
}

#[tokio::test]
async fn reflection_lists_the_services_in_both_versions() {
    let server = stock();
    let services = [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "taskscheduler.TaskScheduler",
    ];

    let mut client =
        v1::server_reflection_client::ServerReflectionClient::new(channel(&server).await);
    let ask = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
    };
    let mut answers = soon(client.server_reflection_info(Request::new(tokio_stream::once(ask))))
        .await
        .unwrap()
        .into_inner();
    let answer = soon(answers.message()).await.unwrap().expect("an answer");
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
        answer.message_response
    else {
        panic!("another answer");
    };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert!(services.iter().all(|name| names.iter().any(|known| known == name)), "{names:?}");

    let mut client =
        v1alpha::server_reflection_client::ServerReflectionClient::new(channel(&server).await);
    let ask = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                "taskscheduler.TaskScheduler".into(),
            ),
        ),
    };
    let mut answers = soon(client.server_reflection_info(Request::new(tokio_stream::once(ask))))
        .await
        .unwrap()
        .into_inner();
    let answer = soon(answers.message()).await.unwrap().expect("an answer");
    let Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(files)) =
        answer.message_response
    else {
        panic!("another answer");
    };
    let described: Vec<_> = files
        .file_descriptor_proto
        .iter()
        .map(|file| {
            <prost_types::FileDescriptorProto as prost::Message>::decode(&file[..]).unwrap()
        })
        .flat_map(|file| file.service)
        .flat_map(|service| service.method)
        .map(|method| method.name.unwrap_or_default())
        .collect();
    assert!(described.iter().any(|name| name == "SubmitTask"), "{described:?}");
}

#[tokio::test]
async fn methods_are_listed_with_their_parameters() {
    let server = with_methods();
    let client = server.client().await;
    let list = async |namespace: &str| {
        let request = pb::ListMethodsRequest { namespace: namespace.into() };
        soon(client.rpc().list_methods(request)).await.unwrap().into_inner()
    };
    let typed = list("typed").await;
    let names: Vec<_> = typed.methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, ["typed/describe@1.2.0", "typed/describe@3.0.0"]);
    let parameter = |name: &str, expects: &str, optional| pb::Parameter {
        name: name.into(),
        expects: expects.into(),
        optional,
    };
    let described = &typed.methods[0];
    assert_eq!(
        described.parameters,
        [
            parameter("number", "integer of 64 bits", false),
            parameter("word", "text", false),
            parameter("flags", "any number of boolean", true),
        ]
    );
    assert_eq!(described.kind(), pb::MethodKind::Sync);
    assert_eq!(
        (described.description.as_str(), described.untyped),
        ("Its typed arguments, as text.", false)
    );
    assert!(described.declared_at.contains("tests/it/test_server/main.rs:"), "{described:?}");

    let all = list("").await;
    let statistics = all.statistics.unwrap();
    assert_eq!(statistics.total as usize, all.methods.len());
    assert_eq!(statistics.namespaces, ["default", "system", "typed"]);
    let kind = |name: &str| {
        let method = all.methods.iter().find(|method| method.name == name);
        method.unwrap_or_else(|| panic!("no {name}")).kind()
    };
    assert_eq!(kind("default/add@0.0.0"), pb::MethodKind::Inline);
    assert_eq!(kind("default/delete@0.0.0"), pb::MethodKind::Async);
    assert_eq!(kind("default/wait_ignoring_cancel@0.0.0"), pb::MethodKind::Sync);
    assert_eq!(list("nowhere").await.methods, []);
}
