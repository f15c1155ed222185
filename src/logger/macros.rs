//! Log macros for handlers. They add the task's id, its correlation id and the attempt as fields.

/// Logs at this level. Only for the macros below.
#[doc(hidden)]
#[macro_export]
macro_rules! __task_event {
    ($level:ident, $ctx:expr, { $($fields:tt)* }, $message:literal) => {{
        let ctx = &$ctx;
        $crate::logger::tracing::event!(
            $crate::logger::tracing::Level::$level,
            {
                task_id = ctx.task_id().as_str(),
                // `None` adds no field.
                correlation_id = ctx
                    .task()
                    .options
                    .labels
                    .as_deref()
                    .map(|labels| labels.correlation_id.as_str())
                    .filter(|id| !id.is_empty()),
                attempt = ctx.attempt(),
                $($fields)*
            },
            $message
        )
    }};
}

/// Logs at trace level from a handler: see [`task_info!`](crate::task_info).
#[macro_export]
macro_rules! task_trace {
    ($ctx:expr, $message:literal $(,)?) => { $crate::__task_event!(TRACE, $ctx, {}, $message) };
    ($ctx:expr, $message:literal, $($fields:tt)+) => {
        $crate::__task_event!(TRACE, $ctx, { $($fields)+ }, $message)
    };
}

/// Logs at debug level from a handler: see [`task_info!`](crate::task_info).
#[macro_export]
macro_rules! task_debug {
    ($ctx:expr, $message:literal $(,)?) => { $crate::__task_event!(DEBUG, $ctx, {}, $message) };
    ($ctx:expr, $message:literal, $($fields:tt)+) => {
        $crate::__task_event!(DEBUG, $ctx, { $($fields)+ }, $message)
    };
}

/// Logs at info level from a handler, with the fields `task_id`, `attempt` and, if the task has
/// one, `correlation_id`. The message may capture variables; after it come fields of your own, as
/// `tracing` takes them: `name = value`, `name = %displayed`, `name = ?debugged`, `name`.
///
/// ```
/// use task_scheduler::task_info;
/// use task_scheduler::tasks::TaskContext;
///
/// fn charge(ctx: &TaskContext, order: i64) {
///     task_info!(ctx, "charged", order, currency = "EUR");
///     task_info!(ctx, "order {order} is through");
/// }
/// ```
#[macro_export]
macro_rules! task_info {
    ($ctx:expr, $message:literal $(,)?) => { $crate::__task_event!(INFO, $ctx, {}, $message) };
    ($ctx:expr, $message:literal, $($fields:tt)+) => {
        $crate::__task_event!(INFO, $ctx, { $($fields)+ }, $message)
    };
}

/// Logs at warn level from a handler: see [`task_info!`](crate::task_info).
#[macro_export]
macro_rules! task_warn {
    ($ctx:expr, $message:literal $(,)?) => { $crate::__task_event!(WARN, $ctx, {}, $message) };
    ($ctx:expr, $message:literal, $($fields:tt)+) => {
        $crate::__task_event!(WARN, $ctx, { $($fields)+ }, $message)
    };
}

/// Logs at error level from a handler: see [`task_info!`](crate::task_info).
#[macro_export]
macro_rules! task_error {
    ($ctx:expr, $message:literal $(,)?) => { $crate::__task_event!(ERROR, $ctx, {}, $message) };
    ($ctx:expr, $message:literal, $($fields:tt)+) => {
        $crate::__task_event!(ERROR, $ctx, { $($fields)+ }, $message)
    };
}
