//! What the process tells its memory allocator.

/// Has every buffer of 1 MiB and more given back to the system when it is dropped.
///
/// By itself glibc takes a program that frees a part of 16 MiB for one that will want it again, keeps all later ones on heaps,
/// one for each thread, and cannot give back what lies below one in use: a third more memory than is needed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "glibc's allocator takes its settings by this call alone")]
pub(crate) fn settle() {
    // SAFETY: called before any other thread exists, with a parameter and a value that glibc documents; its answer is whether
    // it did, and if not, memory is only used less well.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 20) };
}

/// Other allocators need no telling.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn settle() {}
