//! The allocator of the process: glibc's with few arenas, or mimalloc where musl's own would have one lock for all threads.

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Arenas are heaps that threads share. Each keeps what was once used in it, and glibc makes up to eight for each core: `up` over
/// 100 MB of logs took 450 MiB, and takes 275 with two, in the same time.
#[cfg(target_env = "gnu")]
const ARENAS: std::ops::RangeInclusive<usize> = 2..=4;

/// Bounds the number of arenas, unless the environment says how many there may be. To be called before there are threads.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code)]
pub fn bound_arenas() {
    let is_set = |name: &str, part: &str| std::env::var(name).is_ok_and(|value| value.contains(part));
    if is_set("MALLOC_ARENA_MAX", "") || is_set("GLIBC_TUNABLES", "glibc.malloc.arena_max") {
        return;
    }
    let cores = std::thread::available_parallelism().map_or(*ARENAS.start(), usize::from);
    let arenas = cores.clamp(*ARENAS.start(), *ARENAS.end()) as libc::c_int;
    // SAFETY: mallopt takes two numbers and sets one of the allocator's own; no other thread is there that allocates meanwhile.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
}

/// Other allocators have no arenas.
#[cfg(not(target_env = "gnu"))]
pub fn bound_arenas() {}
