#![allow(unused)]

use task_macro::{async_task, sync_task};

#[sync_task("charge")]
fn a_bare_string() {}

#[sync_task(retrys = 5)]
fn an_unknown_key() {}

#[sync_task(queue)]
fn a_key_without_its_value() {}

#[sync_task(retries = 1, retries = 2)]
fn a_key_twice() {}

#[sync_task(name = charge)]
fn a_word_instead_of_text() {}

#[sync_task(name = "charge order")]
fn a_name_with_a_space() {}

#[sync_task]
fn größe() {}

#[sync_task(namespace = "pay/ments")]
fn a_namespace_with_a_slash() {}

#[sync_task(version = "2.1")]
fn a_version_of_two_numbers() {}

#[sync_task(queue = "")]
fn an_empty_queue() {}

#[sync_task(priority = "high")]
fn a_priority_in_words() {}

#[sync_task(priority = 3000000000)]
fn a_priority_out_of_range() {}

#[sync_task(retries = -1)]
fn negative_retries() {}

#[sync_task(retries = 1001)]
fn too_many_retries() {}

#[sync_task(backoff = 2)]
fn a_backoff_without_a_unit() {}

#[sync_task(backoff = "25h")]
fn a_backoff_that_is_too_long() {}

#[sync_task(timeout = "1.5s")]
fn a_timeout_with_a_fraction() {}

#[sync_task(timeout = "0s")]
fn a_timeout_of_nothing() {}

#[sync_task(timeout = "169h")]
fn a_timeout_that_is_too_long() {}

#[sync_task(durability = "forever")]
fn an_unknown_durability() {}

#[sync_task(replace = "yes")]
fn a_flag_with_text() {}

#[async_task(inline)]
async fn inline_and_async() {}

#[sync_task(inline retries = 5)]
fn a_missing_comma() {}

fn main() {
    // The functions are kept, so that one mistake causes one error.
    a_bare_string();
    an_unknown_key();
}
