//! A ClientHello that offers nearly everything that a server may still want (RFC 8446, section 4.1.2).

use aws_lc_rs::rand;

use crate::probe::VerifiedName;

/// What a ClientHello offers.
#[derive(Clone, Debug)]
pub(super) struct Offer<'a> {
    /// Sent as SNI, unless it is an address.
    pub(super) name: Option<&'a VerifiedName>,
    /// Names for ALPN.
    pub(super) alpn: &'a [&'a str],
    /// The best one first.
    pub(super) versions: &'a [u16],
    pub(super) suites: &'a [u16],
}

/// Everything that these versions have.
pub(super) fn client_hello(name: &VerifiedName, alpn: &[&str], versions: &[u16]) -> Vec<u8> {
    encode(&Offer { name: Some(name), alpn, versions, suites: &SUITES })
}

/// In one TLS record.
pub(super) fn encode(offer: &Offer<'_>) -> Vec<u8> {
    let mut random = [0; 32];
    // Any bytes do: nothing is ever agreed with them.
    let _ = rand::fill(&mut random);
    // TLS 1.3 passes for TLS 1.2 in this place.
    let best = offer.versions.first().copied().unwrap_or(TLS12).min(TLS12);
    let mut body = best.to_be_bytes().to_vec();
    body.extend(random);
    body.push(0); // no session to resume
    with_length::<2>(&mut body, |suites| suites.extend(offer.suites.iter().flat_map(|suite| suite.to_be_bytes())));
    body.extend([1, 0]); // no compression
    with_length::<2>(&mut body, |extensions| add_extensions(extensions, offer));
    let mut handshake = vec![1];
    with_length::<3>(&mut handshake, |message| message.extend(body));
    let mut record = vec![22, 3, 1];
    with_length::<2>(&mut record, |fragment| fragment.extend(handshake));
    record
}

fn add_extensions(out: &mut Vec<u8>, offer: &Offer<'_>) {
    if let Some(VerifiedName::Dns(name)) = offer.name {
        extension(out, 0, |body| {
            with_length::<2>(body, |list| {
                list.push(0);
                with_length::<2>(list, |host| host.extend(name.as_bytes()));
            });
        });
    }
    extension(out, 10, |body| {
        with_length::<2>(body, |list| list.extend(GROUPS.iter().flat_map(|it| it.to_be_bytes())));
    });
    extension(out, 11, |body| body.extend([1, 0])); // uncompressed points
    extension(out, 13, |body| {
        with_length::<2>(body, |list| list.extend(SCHEMES.iter().flat_map(|it| it.to_be_bytes())));
    });
    if !offer.alpn.is_empty() {
        extension(out, 16, |body| {
            with_length::<2>(body, |list| {
                offer.alpn.iter().for_each(|name| with_length::<1>(list, |protocol| protocol.extend(name.as_bytes())));
            });
        });
    }
    extension(out, 23, |_| {}); // extended master secret
    if offer.versions.contains(&TLS13) {
        extension(out, 43, |body| {
            with_length::<1>(body, |list| list.extend(offer.versions.iter().flat_map(|it| it.to_be_bytes())));
        });
        // No share of any group: a server of TLS 1.3 must say which one it wants, in clear (RFC 8446, section 4.1.4).
        extension(out, 51, |body| body.extend([0, 0]));
    }
    extension(out, 0xff01, |body| body.push(0)); // secure renegotiation
}

fn extension(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend(kind.to_be_bytes());
    with_length::<2>(out, body);
}

/// Appends what `fill` writes, with its length in `N` bytes before it. All that is written here is far shorter.
fn with_length<const N: usize>(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; N]);
    fill(out);
    let length = (out.len() - at - N).to_be_bytes();
    out[at..at + N].copy_from_slice(&length[length.len() - N..]);
}

const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

/// IANA's numbers: TLS 1.3 first, then what is still found, ECDHE before DHE before RSA and the rest; last what nobody
/// takes who can do better.
pub(super) const SUITES: [u16; 120] = [
    0x1301, 0x1302, 0x1303, 0x1304, 0x1305, // TLS 1.3
    0xc02b, 0xc02c, 0xc02f, 0xc030, 0xcca9, 0xcca8, 0xccaa, // ECDHE with AES-GCM or ChaCha20
    0xc023, 0xc024, 0xc027, 0xc028, 0xc009, 0xc00a, 0xc013, 0xc014, // ECDHE with AES-CBC
    0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xc072, 0xc073, 0xc076, 0xc077, 0xc086, 0xc087, 0xc08a,
    0xc08b, // CCM, Camellia
    0xc008, 0xc012, 0xc007, 0xc011, // ECDHE with 3DES or RC4
    0x009e, 0x009f, 0x0067, 0x006b, 0x0033, 0x0039, 0x0045, 0x0088, 0x00be, 0x00c4, 0xc09e, 0xc09f, 0xc07c, 0xc07d,
    0x0016, // DHE with RSA
    0x00a2, 0x00a3, 0x0040, 0x006a, 0x0032, 0x0038, 0x0013, // DHE with DSA
    0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0x0041, 0x0084, 0x00ba, 0x00c0, 0xc09c, 0xc09d, 0xc07a, 0xc07b,
    0x000a, 0x0005, 0x0004, 0x0096, 0x0007, // RSA key transport
    0xc004, 0xc005, 0xc00e, 0xc00f, 0xc02d, 0xc02e, 0xc031, 0xc032, // fixed ECDH
    0x0009, 0x0015, // DES
    0xc050, 0xc051, 0xc052, 0xc053, 0xc05c, 0xc05d, 0xc060, 0xc061, // ARIA
    0x00a8, 0x00a9, 0x00ae, 0x00af, 0x008c, 0x008d, 0xccab, 0xccac, 0xc035, 0xc036, 0xc037,
    0xc038, // pre-shared keys
    0x00a6, 0x00a7, 0x006c, 0x006d, 0x0034, 0x003a, 0x001b, 0xc018, 0xc019, // without a certificate
    0x003b, 0x0002, 0xc006, 0xc010, // without encryption
];

/// The groups of RFC 8422, RFC 7919, brainpool, the older curves and ML-KEM.
const GROUPS: [u16; 27] = [
    29, 23, 24, 25, 30, 22, 26, 27, 28, 31, 32, 33, 19, 21, 14, 13, // curves
    0x0100, 0x0101, 0x0102, 0x0103, 0x0104, // finite fields
    0x11ec, 0x11eb, 0x11ed, 0x0200, 0x0201, 0x0202, // ML-KEM, with a curve and alone
];

/// RFC 8446, section 4.2.3, the older pairs of hash and signature, and ML-DSA.
pub(in crate::probe) const SCHEMES: [u16; 25] = [
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601,
    0x0303, 0x0301, 0x0203, 0x0201, 0x0402, 0x0302, 0x0202, 0x0101, 0x0904, 0x0905, 0x0906,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::scan::EVERY_VERSION;

    #[test]
    fn every_length_in_the_hello_is_right() {
        let name = VerifiedName::Dns("app.example.com".into());
        let hello = client_hello(&name, &["http/1.1"], &EVERY_VERSION);
        let number = |at: usize| usize::from(hello[at]) << 8 | usize::from(hello[at + 1]);
        assert_eq!(number(3), hello.len() - 5, "record");
        assert_eq!(number(7), hello.len() - 9, "handshake message");
        let suites = 9 + 2 + 32 + 1;
        assert_eq!(number(suites), SUITES.len() * 2);
        let extensions = suites + 2 + SUITES.len() * 2 + 2;
        assert_eq!(number(extensions), hello.len() - extensions - 2);
        let text = String::from_utf8_lossy(&hello);
        assert!(text.contains("app.example.com") && text.contains("http/1.1"));
    }

    #[test]
    fn an_address_is_never_sent_as_a_name() {
        let hello = client_hello(&VerifiedName::Ip([10, 0, 0, 4].into()), &[], &EVERY_VERSION);
        assert!(!String::from_utf8_lossy(&hello).contains("10.0.0.4"));
    }
}
