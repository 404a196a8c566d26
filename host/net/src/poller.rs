//! One epoll for every socket of a shard, and the eventfd that wakes it from another thread.
//!
//! Level-triggered on purpose: a socket that is not read to the end is reported again, so that at low rates one packet
//! costs one receive, without a second receive that only finds the socket empty.

use core::mem::MaybeUninit;
use core::time::Duration;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most sockets reported by one wait; the kernel reports the others next time, in turn.
const EVENTS_MAX: usize = 512;

/// The waker's own token.
pub(crate) const WAKE: u64 = u64::MAX;

/// One socket that is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// Wakes a shard that sleeps in [`crate::Net::wait`]; cheap to clone and to call from any thread.
#[derive(Clone, Debug)]
pub struct Waker {
    file: Arc<File>,
    pending: Arc<AtomicBool>,
}

impl Waker {
    /// Ends the current or the next sleep.
    pub fn wake(&self) {
        // Only the first of many wakers pays the system call.
        if !self.pending.swap(true, Ordering::AcqRel) {
            let _written = (&*self.file).write(&1_u64.to_ne_bytes());
        }
    }

    fn clear(&self) {
        let _read = (&*self.file).read(&mut [0; 8]);
        // Cleared before the shard looks into its inbox: whoever adds after that look wakes again.
        self.pending.store(false, Ordering::Release);
    }
}

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    waker: Waker,
}

fn flags(write: bool) -> epoll::EventFlags {
    if write { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN }
}

impl Poller {
    pub(crate) fn new() -> io::Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &event, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        let waker = Waker { file: Arc::new(File::from(event)), pending: Arc::new(AtomicBool::new(false)) };
        Ok(Poller { epoll, waker })
    }

    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    pub(crate) fn add(&self, source: impl AsFd, token: u64, write: bool) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, source, epoll::EventData::new_u64(token), flags(write))?)
    }

    pub(crate) fn modify(&self, source: impl AsFd, token: u64, write: bool) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, source, epoll::EventData::new_u64(token), flags(write))?)
    }

    pub(crate) fn delete(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, source)?)
    }

    /// Sleeps so long and hears the waker only; sockets that become ready meanwhile are reported by the next wait.
    pub(crate) fn pause(&self, pause: Duration) -> io::Result<()> {
        let timeout = Timespec { tv_sec: pause.as_secs().cast_signed(), tv_nsec: i64::from(pause.subsec_nanos()) };
        let mut waker = [PollFd::new(&self.waker.file, PollFlags::IN)];
        match poll(&mut waker, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sleeps until a socket is ready, the waker is called or `timeout` passed. Adds to `ready`.
    pub(crate) fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        // Rounded up to the kernel's millisecond: a timer that is not yet due would only be slept for again.
        let timeout = timeout.map(|t| {
            let ms = u64::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(3_600_000);
            Timespec { tv_sec: (ms / 1_000).cast_signed(), tv_nsec: (ms % 1_000 * 1_000_000).cast_signed() }
        });
        // On the stack, as the kernel fills it: nothing is allocated or cleared for a wait.
        let mut room = [const { MaybeUninit::uninit() }; EVENTS_MAX];
        let events = match epoll::wait(&self.epoll, &mut room, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        for event in events {
            let token = event.data.u64();
            if token == WAKE {
                self.waker.clear();
                continue;
            }
            let flags = event.flags;
            let broken = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
            ready.push(Ready {
                token,
                readable: broken || flags.contains(epoll::EventFlags::IN),
                writable: broken || flags.contains(epoll::EventFlags::OUT),
            });
        }
        Ok(())
    }
}
