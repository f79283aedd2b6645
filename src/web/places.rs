//! The places of connections. There is always one more: when all are taken, the connection that its client needs least
//! makes room, so that whoever holds connections keeps nobody else out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::web::bucket::{Rarely, Rate};
use crate::web::pulse::{Pulse, Standing};

/// Every open connection of all listeners.
#[derive(Debug)]
pub(super) struct Places {
    /// Of both kinds together.
    most: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    next: u64,
    open: HashMap<u64, Open>,
    /// Lines about connections that were cut.
    lines: Rarely,
}

#[derive(Debug)]
struct Open {
    client: Client,
    began: Instant,
    cut: CancellationToken,
    /// Not before the TLS handshake is over.
    pulse: Arc<OnceLock<Arc<Pulse>>>,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// A proxy that many clients come through may have as many connections as there are.
    pub(super) is_proxy: bool,
    /// Whether a TLS handshake comes first, which only who may come in gets through.
    pub(super) has_handshake: bool,
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    pulse: Arc<OnceLock<Arc<Pulse>>>,
    /// Ends the connection.
    pub(super) cut: CancellationToken,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        let inner = Inner { next: 0, open: HashMap::new(), lines: Rarely::at(TELL) };
        Self { most: most.max(2), inner: Mutex::new(inner) }
    }

    /// A place for a new connection, which `cut` ends. Another one is cut for it where that is needed.
    ///
    /// # Errors
    /// The one that it would be has only just come: when it has had the time to say something.
    pub(super) fn take(
        self: &Arc<Self>,
        client: Client,
        cut: &CancellationToken,
        now: Instant,
    ) -> Result<Place, Instant> {
        let pulse = Arc::new(OnceLock::new());
        let mut inner = self.inner();
        let number = inner.next;
        inner.open.insert(number, Open { client, began: now, cut: cut.clone(), pulse: pulse.clone() });
        if let Err(later) = inner.make_room(self.most, number, now) {
            inner.open.remove(&number);
            return Err(later);
        }
        inner.next += 1;
        Ok(Place { places: Arc::clone(self), number, pulse, cut: cut.clone() })
    }

    /// Ends the connection that is needed least, because there is no descriptor left.
    pub(super) fn give_up_one(&self, now: Instant) {
        let mut inner = self.inner();
        let staying = inner.staying();
        // Nobody waits for it: there is nothing to be done when they have all only just come.
        let _ = inner.cut_one_of(&staying, now);
    }

    /// Connections that have been told to end and still have their descriptors.
    pub(super) fn leaving(&self) -> usize {
        self.inner().open.values().filter(|open| open.cut.is_cancelled()).count()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The handshake is over, if there was one.
    pub(super) fn talks(&self, pulse: &Arc<Pulse>) {
        let _only_once = self.pulse.set(Arc::clone(pulse));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.inner().open.remove(&self.number);
    }
}

/// A connection among which one is chosen.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    number: u64,
    client: IpAddr,
    is_arriving: bool,
    standing: Standing,
    /// Not to be cut before.
    ripe: Instant,
}

impl Inner {
    /// All that have not been told to end.
    fn staying(&self) -> Vec<Candidate> {
        let open = self.open.iter().filter(|(_, open)| !open.cut.is_cancelled());
        let candidates = open.map(|(number, open)| {
            let standing = open.pulse.get().map(|pulse| pulse.standing());
            let is_new = matches!(standing, None | Some(Standing::New(_)));
            let grace = if open.client.has_handshake { HANDSHAKE_GRACE } else { GRACE };
            Candidate {
                number: *number,
                client: open.client.address,
                // Whoever is through a handshake has shown more than who only connects.
                is_arriving: is_new && !(open.client.has_handshake && standing.is_some()),
                standing: standing.unwrap_or(Standing::New(open.began)),
                ripe: open.began + grace,
            }
        });
        candidates.collect()
    }

    /// Half of the places are for connections that have asked for something, the others for those that have not yet: neither
    /// can take the other's. No client but a proxy takes more than a quarter of all.
    fn make_room(&mut self, most: usize, newest: u64, now: Instant) -> Result<(), Instant> {
        let Some(client) = self.open.get(&newest).map(|open| open.client) else { return Ok(()) };
        let mut staying = self.staying();
        let its_own = |candidate: &Candidate| candidate.client == client.address && candidate.number != newest;
        let of_client = staying.iter().filter(|candidate| its_own(candidate)).count() + 1;
        if !client.is_proxy && of_client > (most / 4).max(LEAST_OF_CLIENT) {
            let own: Vec<_> = staying.into_iter().filter(its_own).collect();
            return self.cut_one_of(&own, now);
        }
        let arriving = staying.iter().filter(|candidate| candidate.is_arriving).count();
        let for_arriving = (most / 2).max(1);
        if arriving > for_arriving {
            staying.retain(|candidate| candidate.is_arriving);
            // Who comes over and over again replaces its own.
            if staying.len() > 1 {
                staying.retain(|candidate| candidate.number != newest);
            }
            return self.cut_one_of(&staying, now);
        }
        if staying.len() > most {
            staying.retain(|candidate| !candidate.is_arriving);
            return self.cut_one_of(&staying, now);
        }
        Ok(())
    }

    /// Of those that do least for their clients, of the client that has the most of these, the oldest.
    fn cut_one_of(&mut self, candidates: &[Candidate], now: Instant) -> Result<(), Instant> {
        let rank = |candidate: &Candidate| match candidate.standing {
            Standing::New(_) => 0,
            Standing::Idle(_) => 1,
            Standing::Stalled(_) => 2,
            Standing::Busy(_) => 3,
        };
        let Some(least) = candidates.iter().map(rank).min() else { return Ok(()) };
        let mut of_client: HashMap<IpAddr, usize> = HashMap::new();
        for candidate in candidates {
            *of_client.entry(candidate.client).or_default() += 1;
        }
        let among = candidates.iter().filter(|candidate| rank(candidate) == least);
        let chosen = among.min_by_key(|candidate| {
            (std::cmp::Reverse(of_client.get(&candidate.client)), candidate.standing, candidate.number)
        });
        let Some(chosen) = chosen else { return Ok(()) };
        if chosen.ripe > now {
            return Err(chosen.ripe);
        }
        if let Some(open) = self.open.get(&chosen.number) {
            open.cut.cancel();
            self.tell(now);
        }
        Ok(())
    }

    /// Says now and then that places are short.
    fn tell(&self, now: Instant) {
        if let Some(left_out) = self.lines.now(now.into_std()) {
            let open = self.open.len();
            tracing::warn!(
                open,
                ended = left_out + 1,
                "the places for connections are taken: for each new one, the one that its client needs least ends"
            );
        }
    }
}

/// What a new connection has to say something: its request lies in the kernel already, and nobody has looked.
const GRACE: Duration = Duration::from_millis(30);

/// With a TLS handshake before it.
const HANDSHAKE_GRACE: Duration = Duration::from_millis(100);

/// One client's connections, however few there are in all.
const LEAST_OF_CLIENT: usize = 8;

/// Lines of the log.
const TELL: Rate = Rate { interval: Duration::from_mins(1), burst: 1 };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pulse::Version;

    struct House {
        places: Arc<Places>,
        now: Instant,
    }

    impl House {
        fn of(most: usize) -> Self {
            Self { places: Arc::new(Places::new(most)), now: Instant::now() }
        }

        /// A second after the one before.
        fn take(&mut self, last: u8, has_handshake: bool) -> Place {
            self.now += Duration::from_secs(1);
            self.try_to_take(last, has_handshake).expect("all others have had time to say something")
        }

        fn try_to_take(&self, last: u8, has_handshake: bool) -> Result<Place, Instant> {
            let client = Client { address: [10, 0, 0, last].into(), is_proxy: last == 0, has_handshake };
            self.places.take(client, &CancellationToken::new(), self.now)
        }

        /// A connection in a request.
        fn busy(&mut self, last: u8) -> (Place, crate::web::pulse::Running) {
            let (place, pulse) = (self.take(last, false), Arc::new(Pulse::new(Version::Http1, self.now)));
            place.talks(&pulse);
            (place, pulse.request())
        }

        fn idle(&mut self, last: u8) -> Place {
            let (place, running) = self.busy(last);
            drop(running);
            place
        }
    }

    fn cut<'a>(places: impl IntoIterator<Item = &'a Place>) -> Vec<usize> {
        let all = places.into_iter().enumerate();
        all.filter(|(_, place)| place.cut.is_cancelled()).map(|(index, _)| index).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_silent_connection_makes_room() {
        let mut house = House::of(8);
        let mut silent: Vec<Place> = (1..=5).map(|last| house.take(last, false)).collect();
        assert_eq!(cut(&silent), [0]);
        assert_eq!(house.places.leaving(), 1);
        silent.remove(0);
        assert_eq!(house.places.leaving(), 0);
        silent.push(house.take(6, false));
        assert_eq!(cut(&silent), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn silent_connections_do_not_end_those_that_have_asked() {
        let mut house = House::of(8);
        let asked: Vec<Place> = (1..=4).map(|last| house.idle(last)).collect();
        let silent: Vec<Place> = (10..40).map(|last| house.take(last, false)).collect();
        assert_eq!(cut(&asked), [0_usize; 0]);
        assert_eq!(cut(&silent).len(), 26);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_within_a_handshake_do_not_end_those_that_are_through() {
        let mut house = House::of(8);
        let through: Vec<Place> = (1..=4).map(|last| house.take(last, true)).collect();
        for place in &through {
            place.talks(&Arc::new(Pulse::new(Version::Http2, house.now)));
        }
        let flood: Vec<Place> = (10..40).map(|last| house.take(last, true)).collect();
        assert_eq!(cut(&through), [0_usize; 0]);
        assert_eq!(cut(&flood).len(), 26);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_is_less_than_in_one_and_the_greediest_client_pays_first() {
        let mut house = House::of(12);
        let (other, _in_request) = house.busy(9);
        let idle = house.idle(9);
        let greedy: Vec<_> = (0..10).map(|_| house.busy(0)).collect();
        let _one_more = house.busy(0);
        assert!(idle.cut.is_cancelled() && !other.cut.is_cancelled(), "who is between two requests loses least");
        let _another_one = house.busy(0);
        assert!(!other.cut.is_cancelled(), "the one that has the most connections ends one");
        assert_eq!(cut(greedy.iter().map(|(place, _)| place)), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn one_client_takes_no_more_than_a_quarter_unless_it_is_a_proxy() {
        let mut house = House::of(32);
        let one: Vec<_> = (0..12).map(|_| house.busy(1)).collect();
        assert_eq!(cut(one.iter().map(|(place, _)| place)), [0, 1, 2, 3]);
        let proxy: Vec<_> = (0..20).map(|_| house.busy(0)).collect();
        assert_eq!(cut(proxy.iter().map(|(place, _)| place)), [0_usize; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_only_just_come_has_time_to_say_something() {
        let mut house = House::of(8);
        let _others: Vec<Place> = (1..=4).map(|last| house.try_to_take(last, false).unwrap()).collect();
        let later = house.try_to_take(5, false).expect_err("the others have only just come");
        assert_eq!(later, house.now + GRACE);
        house.now = later;
        assert!(house.try_to_take(5, false).is_ok());
    }
}
