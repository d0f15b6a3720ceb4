//! Frames: an eight-byte header (payload length, kind, number of descriptors) and a payload.

use super::Bytes;

/// Bytes of a header: `u32` payload length, `u16` kind, `u16` descriptors, little-endian.
pub(crate) const HEADER: usize = 8;

/// The longest payload that is accepted, in bytes.
pub(crate) const MAX_PAYLOAD: usize = 1 << 20;

/// What is wrong with bytes that are no frame of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

pub(crate) type Parsed<T> = Result<T, Malformed>;

/// One frame, borrowed from the buffer it was read into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u16,
    pub(crate) descriptors: u16,
    pub(crate) payload: &'a [u8],
}

/// Splits the first frame off `bytes`; `None` while it is incomplete. The second value is the frame's length.
pub(crate) fn split(bytes: &[u8]) -> Parsed<Option<(Frame<'_>, usize)>> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
    let mut header = Reader::new(header);
    let length = header.u32()? as usize;
    if length > MAX_PAYLOAD {
        return Err(Malformed("a frame longer than the limit"));
    }
    let Some(payload) = rest.get(..length) else { return Ok(None) };
    let frame = Frame { kind: header.u16()?, descriptors: header.u16()?, payload };
    Ok(Some((frame, HEADER + length)))
}

/// The length of the first frame, header included, as far as it is known. One that is longer than allowed is not waited for.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let payload = Reader::new(bytes.get(..HEADER)?).u32().ok()? as usize;
    (payload <= MAX_PAYLOAD).then_some(HEADER + payload)
}

/// Appends one frame to `out`; `payload` writes what is inside.
pub(crate) fn append(out: &mut Bytes, kind: u16, descriptors: u16, payload: impl FnOnce(&mut Writer<'_>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    payload(&mut Writer::new(out));
    let length = out.len() - start - HEADER;
    debug_assert!(length <= MAX_PAYLOAD, "the callers bound what they put into one frame");
    out[start..start + HEADER].copy_from_slice(&header(length as u32, kind, descriptors));
}

/// The bytes of a header.
pub(crate) fn header(length: u32, kind: u16, descriptors: u16) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4..6].copy_from_slice(&kind.to_le_bytes());
    header[6..].copy_from_slice(&descriptors.to_le_bytes());
    header
}

/// Writes the fields of a payload.
pub(crate) struct Writer<'a>(&'a mut Bytes);

impl<'a> Writer<'a> {
    pub(crate) fn new(out: &'a mut Bytes) -> Self {
        Writer(out)
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Octets without a length: the last field of a payload, or one of fixed size.
    pub(crate) fn raw(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// Octets behind their `u32` length.
    pub(crate) fn octets(&mut self, octets: &[u8]) {
        self.u32(octets.len() as u32);
        self.raw(octets);
    }
}

/// Reads the fields of a payload; every read checks what is left.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Reader(payload)
    }

    pub(crate) fn u8(&mut self) -> Parsed<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn flag(&mut self) -> Parsed<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a flag that is neither 0 nor 1")),
        }
    }

    pub(crate) fn u16(&mut self) -> Parsed<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Parsed<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed("a field is cut off"))?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn octets(&mut self) -> Parsed<&'a [u8]> {
        let length = self.u32()? as usize;
        let (head, tail) = self.0.split_at_checked(length).ok_or(Malformed("a field is cut off"))?;
        self.0 = tail;
        Ok(head)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The payload must be used up: trailing bytes are an error, never ignored.
    pub(crate) fn finish(self) -> Parsed<()> {
        if self.is_empty() { Ok(()) } else { Err(Malformed("trailing bytes in a frame")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_split_off_only_when_it_is_whole() {
        let mut bytes = Bytes::new();
        append(&mut bytes, 7, 2, |w| w.octets(b"abc"));
        append(&mut bytes, 8, 0, |_| {});
        for cut in 0..bytes.len() - HEADER {
            assert_eq!(split(&bytes[..cut]), Ok(None), "cut at {cut}");
        }
        let (frame, used) = split(&bytes).unwrap().unwrap();
        assert_eq!((frame.kind, frame.descriptors, frame.payload), (7, 2, &b"\x03\0\0\0abc"[..]));
        let (frame, last) = split(&bytes[used..]).unwrap().unwrap();
        assert_eq!((frame.kind, frame.payload.len(), used + last), (8, 0, bytes.len()));
    }

    #[test]
    fn a_length_above_the_limit_is_refused_before_anything_is_waited_for() {
        for length in [MAX_PAYLOAD as u32 + 1, u32::MAX] {
            let mut header = length.to_le_bytes().to_vec();
            header.extend_from_slice(&[0; 4]);
            assert!(split(&header).is_err());
        }
    }

    #[test]
    fn a_field_longer_than_the_payload_is_refused() {
        let mut reader = Reader::new(&[255, 255, 255, 255, 1]);
        assert!(reader.octets().is_err());
        assert!(Reader::new(&[1]).u16().is_err());
        assert!(Reader::new(&[1]).finish().is_err());
    }
}
