//! Takes the framing off a response's body, as the bytes come in.

use super::{BodyEnd, HttpFault, MAX_KEPT_BYTES};

/// How a body ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Empty,
    Length(u64),
    Chunked,
    UntilClose,
}

/// A chunk's size line or a trailer line longer than this is no honest one.
const MAX_LINE: usize = 4096;

/// Most that the lines of all chunks take, in bytes. A body of 64 KiB in a chunk for each byte stays below.
const MAX_CHUNK_LINES: usize = 1024 * 1024;

/// A body on its way in.
pub(super) struct Body {
    expects: Expects,
    awaited: BodyEnd,
    received: u64,
    /// Bytes of the chunks' lines so far.
    chunk_lines: usize,
}

enum Expects {
    /// So many bytes more, and then the end.
    Bytes(u64),
    /// The rest of a chunk, and then the line end after it.
    Chunk(u64),
    ChunkEnd,
    ChunkSize,
    Trailer {
        bytes: usize,
    },
    UntilClose,
}

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        let (expects, awaited) = match framing {
            Framing::Empty => (Expects::Bytes(0), BodyEnd::Length(0)),
            Framing::Length(length) => (Expects::Bytes(length), BodyEnd::Length(length)),
            Framing::Chunked => (Expects::ChunkSize, BodyEnd::LastChunk),
            Framing::UntilClose => (Expects::UntilClose, BodyEnd::Close),
        };
        Self { expects, awaited, received: 0, chunk_lines: 0 }
    }

    /// What ends it.
    pub(super) fn awaited(&self) -> BodyEnd {
        self.awaited
    }

    /// Bytes of body so far, without the framing.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Uses up what it can of `input` and keeps the first 64 KiB in `kept`; true when the body is complete.
    pub(super) fn take(&mut self, input: &mut Vec<u8>, kept: &mut Vec<u8>) -> Result<bool, HttpFault> {
        let mut used = 0;
        let done = self.step(input, &mut used, kept);
        input.drain(..used);
        done
    }

    fn step(&mut self, input: &[u8], used: &mut usize, kept: &mut Vec<u8>) -> Result<bool, HttpFault> {
        loop {
            let rest = &input[*used..];
            match &mut self.expects {
                Expects::Bytes(0) => return Ok(true),
                Expects::Chunk(0) => self.expects = Expects::ChunkEnd,
                Expects::UntilClose | Expects::Bytes(_) | Expects::Chunk(_) if rest.is_empty() => return Ok(false),
                Expects::UntilClose => {
                    keep(kept, rest);
                    self.received += rest.len() as u64;
                    *used = input.len();
                }
                Expects::Bytes(missing) | Expects::Chunk(missing) => {
                    let count = usize::try_from(*missing).unwrap_or(usize::MAX).min(rest.len());
                    keep(kept, &rest[..count]);
                    *missing -= count as u64;
                    self.received += count as u64;
                    *used += count;
                }
                Expects::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        *used += 2;
                        self.expects = Expects::ChunkSize;
                    }
                    [] | [b'\r'] => return Ok(false),
                    _ => return Err(HttpFault::Malformed("a chunk is longer than its announced size")),
                },
                Expects::ChunkSize => match httparse::parse_chunk_size(rest) {
                    Ok(httparse::Status::Complete((line, size))) => {
                        *used += line;
                        self.chunk_lines += line;
                        if self.chunk_lines > MAX_CHUNK_LINES {
                            return Err(HttpFault::Malformed("the size lines of its chunks are larger than 1 MiB"));
                        }
                        self.expects = if size == 0 { Expects::Trailer { bytes: 0 } } else { Expects::Chunk(size) };
                    }
                    Ok(httparse::Status::Partial) if rest.len() <= MAX_LINE => return Ok(false),
                    Ok(httparse::Status::Partial) => {
                        return Err(HttpFault::Malformed("a chunk's size line does not end"));
                    }
                    Err(_) => return Err(HttpFault::Malformed("a chunk's size is not a hexadecimal number")),
                },
                Expects::Trailer { bytes } => {
                    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                        if rest.len() > MAX_LINE {
                            return Err(HttpFault::Malformed("a trailer line does not end"));
                        }
                        return Ok(false);
                    };
                    *used += end + 1;
                    *bytes += end + 1;
                    if rest[..end].trim_ascii().is_empty() {
                        return Ok(true);
                    }
                    if *bytes > MAX_KEPT_BYTES {
                        return Err(HttpFault::HeadTooLarge);
                    }
                }
            }
        }
    }

    /// What it means that the server closed here.
    pub(super) fn end(&self) -> Result<(), HttpFault> {
        match self.expects {
            Expects::UntilClose | Expects::Bytes(0) => Ok(()),
            Expects::Bytes(_)
            | Expects::Chunk(_)
            | Expects::ChunkEnd
            | Expects::ChunkSize
            | Expects::Trailer { .. } => Err(HttpFault::BodyCutShort { received: self.received, end: self.awaited }),
        }
    }
}

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_KEPT_BYTES.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of every size; the outcome must not depend on the cuts.
    fn check(framing: Framing, bytes: &[u8], expected: &Result<(&[u8], bool), HttpFault>) {
        for size in 1..=bytes.len().max(1) {
            let (mut body, mut input, mut kept) = (Body::new(framing), Vec::new(), Vec::new());
            let mut outcome = body.take(&mut input, &mut kept);
            for piece in bytes.chunks(size) {
                if outcome != Ok(false) {
                    break;
                }
                input.extend_from_slice(piece);
                outcome = body.take(&mut input, &mut kept);
            }
            let outcome = outcome.map(|done| (kept.as_slice(), done));
            assert_eq!(&outcome, expected, "{framing:?} {:?} in pieces of {size}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn framing_comes_off_however_the_bytes_are_cut() {
        check(Framing::Empty, b"", &Ok((b"", true)));
        check(Framing::Length(3), b"abc", &Ok((b"abc", true)));
        check(Framing::Length(4), b"abc", &Ok((b"abc", false)));
        check(Framing::UntilClose, b"abc", &Ok((b"abc", false)));
        check(Framing::Chunked, b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", &Ok((b"abcde", true)));
        check(Framing::Chunked, b"0\r\nTrailer: x\r\n\r\n", &Ok((b"", true)));
        check(Framing::Chunked, b"3\r\nabc\r\n", &Ok((b"abc", false)));
        check(Framing::Chunked, b"3\r\nabc\r\n0\r\n", &Ok((b"abc", false)));
        check(Framing::Chunked, b"3\r\nab", &Ok((b"ab", false)));
    }

    #[test]
    fn broken_chunks_are_malformed() {
        let bad = |what| Err(HttpFault::Malformed(what));
        check(Framing::Chunked, b"zz\r\n", &bad("a chunk's size is not a hexadecimal number"));
        check(Framing::Chunked, b"11111111111111111\r\n", &bad("a chunk's size is not a hexadecimal number"));
        check(Framing::Chunked, b"3\r\nabcdef\r\n", &bad("a chunk is longer than its announced size"));
    }

    #[test]
    fn only_the_first_64_kib_are_kept() {
        let (mut body, mut kept) = (Body::new(Framing::UntilClose), Vec::new());
        for _ in 0..100 {
            body.take(&mut vec![b'x'; 1000], &mut kept).unwrap();
        }
        assert_eq!((body.received(), kept.len()), (100_000, MAX_KEPT_BYTES));
    }

    #[test]
    fn a_body_that_ends_early_is_cut_short() {
        let mut body = Body::new(Framing::Length(10));
        body.take(&mut b"abc".to_vec(), &mut Vec::new()).unwrap();
        assert_eq!(body.end(), Err(HttpFault::BodyCutShort { received: 3, end: BodyEnd::Length(10) }));
        assert_eq!(Body::new(Framing::UntilClose).end(), Ok(()));
        assert!(Body::new(Framing::Chunked).end().is_err());
    }
}
