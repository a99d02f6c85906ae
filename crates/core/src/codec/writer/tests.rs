use bytes::Bytes;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::ObjectWriter;
use crate::codec::PartSink;
use crate::codec::sealed::{self, Sealer};
use crate::codec::{Compression, Sha256, decompress};
use crate::error::Result;

const KEY: [u8; 32] = [7; 32];
const CONTEXT: &[u8] = b"an object";

#[derive(Default)]
struct Kept(Vec<(Bytes, bool)>);

impl PartSink for &mut Kept {
    fn part(&mut self, bytes: Bytes, last: bool) -> Result<()> {
        self.0.push((bytes, last));
        Ok(())
    }
}

fn stored(kept: &Kept) -> Vec<u8> {
    kept.0.iter().flat_map(|(bytes, _)| bytes.iter().copied()).collect()
}

fn ranges_of_slices() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6), 0..6)
}

proptest! {
    #[test]
    fn every_range_is_proven_and_read_by_itself(
        ranges in ranges_of_slices(),
        part_bytes in 1_usize..90,
        is_sealed in any::<bool>(),
        is_zstd in any::<bool>(),
    ) {
        let mut kept = Kept::default();
        let sealer = is_sealed.then(|| Sealer::new(&KEY, CONTEXT, [3; 24]));
        let compression = if is_zstd { Compression::Zstd } else { Compression::Gzip };
        let mut writer = ObjectWriter::new(&mut kept, part_bytes, compression, sealer);
        let mut written = Vec::new();
        for slices in &ranges {
            for slice in slices {
                writer.write(slice).unwrap();
            }
            written.push(writer.end_range().unwrap());
        }
        let object = writer.finish().unwrap();
        let stored = stored(&kept);

        prop_assert_eq!(object.length, stored.len() as u64);
        prop_assert_eq!(object.sha256, Sha256::of(&stored));
        prop_assert_eq!(object.seal.is_some(), is_sealed);
        let stored = if is_sealed { sealed::open(&KEY, CONTEXT, &stored).unwrap() } else { stored };
        prop_assert_eq!(decompress(compression, &stored).unwrap_or_default(), ranges.concat().concat());
        for (slices, range) in ranges.iter().zip(written) {
            let sql = slices.concat();
            let Some(range) = range else {
                prop_assert!(sql.is_empty());
                continue;
            };
            let bytes = &stored[range.offset as usize..(range.offset + range.length) as usize];
            prop_assert_eq!(Sha256::of(bytes), range.sha256);
            prop_assert_eq!(decompress(compression, bytes).unwrap(), sql);
        }
    }

    #[test]
    fn parts_are_equal_but_the_last(sql in prop::collection::vec(any::<u8>(), 0..600), part_bytes in 1_usize..90) {
        let mut kept = Kept::default();
        let mut writer = ObjectWriter::new(&mut kept, part_bytes, Compression::Gzip, None);
        writer.write(&sql).unwrap();
        writer.finish().unwrap();
        let (last, others) = kept.0.split_last().unwrap();
        prop_assert!(last.1 && last.0.len() <= part_bytes);
        prop_assert!(others.iter().all(|(bytes, last)| bytes.len() == part_bytes && !last));
        prop_assert!(others.is_empty() || !last.0.is_empty());
    }
}
