#![allow(unused)]

use task_macro::{async_task, sync_task};
use task_scheduler::tasks::Rest;

struct Order;
struct Receipt;

#[sync_task]
fn takes_a_type_of_its_own(order: Order) {}

#[sync_task]
fn takes_a_list_of_them(orders: Vec<Order>) {}

#[sync_task]
fn takes_any_number_of_them(orders: Rest<Order>) {}

#[sync_task]
fn returns_a_type_of_its_own() -> Receipt {
    Receipt
}

#[async_task]
async fn returns_it_or_fails() -> Result<Receipt, std::io::Error> {
    Ok(Receipt)
}

#[async_task]
async fn fails_with_what_is_no_error() -> Result<(), Order> {
    Ok(())
}

fn main() {}
