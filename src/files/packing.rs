//! One raw deflate stream over all contents of a transfer, each piece with a border of its own.

use super::LocalError;
use crate::proto::entry::MAX_PIECE_BYTES;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

/// Compresses the contents of a transfer, where that is wanted.
#[derive(Debug)]
pub(super) struct Packer(Option<Compress>);

impl Packer {
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(|| Compress::new(Compression::default(), false)))
    }

    pub(super) fn pack(&mut self, plain: Vec<u8>) -> Vec<u8> {
        let Some(deflate) = &mut self.0 else { return plain };
        // What cannot be compressed grows by some bytes for each block.
        let mut packed = Vec::with_capacity(plain.len() + plain.len() / 1000 + 64);
        deflate
            .compress_vec(&plain, &mut packed, FlushCompress::Sync)
            .expect("a buffer that is large enough");
        packed
    }
}

/// Reads what a [`Packer`] or the agent's zlib has made, a bounded piece at a time.
#[derive(Debug)]
pub(super) struct Unpacker(Option<Decompress>);

impl Unpacker {
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(|| Decompress::new(false)))
    }

    pub(super) fn unpack(&mut self, packed: Vec<u8>) -> Result<Vec<u8>, LocalError> {
        let Some(inflate) = &mut self.0 else { return Ok(packed) };
        let mut plain = Vec::with_capacity(MAX_PIECE_BYTES);
        let before = inflate.total_in();
        let status = inflate.decompress_vec(&packed, &mut plain, FlushDecompress::Sync);
        let read = usize::try_from(inflate.total_in() - before).unwrap_or(usize::MAX);
        match status {
            Ok(_) if read == packed.len() => Ok(plain),
            _ => Err(LocalError("what was sent does not inflate, or to too much".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_as_they_went_in() {
        let (mut packer, mut unpacker) = (Packer::new(true), Unpacker::new(true));
        let noise: Vec<u8> = (0..61_440_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for piece in [b"again and again and again".to_vec(), Vec::new(), noise, vec![7; 61_440]] {
            let packed = packer.pack(piece.clone());
            assert!(packed.len() < 65_000);
            assert_eq!(unpacker.unpack(packed), Ok(piece));
        }
    }

    #[test]
    fn a_piece_that_inflates_to_too_much_is_refused() {
        let mut deflate = Compress::new(Compression::best(), false);
        let mut bomb = Vec::with_capacity(10_000);
        deflate.compress_vec(&vec![0; 1_000_000], &mut bomb, FlushCompress::Sync).expect("room");
        assert!(Unpacker::new(true).unpack(bomb).is_err());
        assert!(Unpacker::new(true).unpack(b"\xff\xff".to_vec()).is_err());
    }
}
