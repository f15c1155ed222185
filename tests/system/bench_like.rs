use crate::harness::*;
use std::time::Instant;

#[tokio::test(flavor = "current_thread")]
async fn rate() {
    let system = start().await;
    for (name, ephemeral_) in [("ephemeral", true), ("durable", false)] {
        let n = 200_000;
        let t = Instant::now();
        if ephemeral_ {
            for _ in 0..n {
                let r = ephemeral(request("add", &[1, 2, 3]));
                system.submit(r).await.unwrap();
            }
        } else {
            for _ in 0..n / 64 {
                let mut v = vec![];
                for _ in 0..64 {
                    let s = system.clone();
                    v.push(tokio::spawn(async move {
                        s.submit(request("add", &[1, 2, 3])).await.unwrap();
                    }));
                }
                for h in v {
                    h.await.unwrap();
                }
            }
        }
        println!("{name}: {:?} per task", t.elapsed() / n);
    }
}
