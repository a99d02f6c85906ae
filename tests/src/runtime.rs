//! Where tests that call the library run its futures.

/// Runs a future to its end, on a stack that unoptimised futures fit on; the caller may stand inside a runtime.
pub fn run<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let runs = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).thread_stack_size(STACK_BYTES).enable_all().build().unwrap();
        runtime.block_on(future)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let result = thread.spawn_scoped(scope, runs).unwrap().join();
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

const STACK_BYTES: usize = 16 << 20;
