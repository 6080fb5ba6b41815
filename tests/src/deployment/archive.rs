//! A function's package: a zip archive without compression, because a loopback upload needs none.

/// Packs files into an archive. Each is executable, as a bootstrap must be.
pub(super) fn pack(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let offset = size(archive.len());
        let archive_entry =
            ArchiveEntry { name, sum: checksum(content), size: size(content.len()) };
        archive.extend(archive_entry.local_header());
        archive.extend_from_slice(content);
        directory.extend(archive_entry.directory_header(offset));
    }
    let (start, length) = (size(archive.len()), size(directory.len()));
    archive.extend(directory);
    let count = u16::try_from(files.len()).expect("a package has few files");
    archive.extend(0x0605_4b50_u32.to_le_bytes());
    archive.extend([0; 4]);
    archive.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    archive.extend([length.to_le_bytes(), start.to_le_bytes()].concat());
    archive.extend([0; 2]);
    archive
}

struct ArchiveEntry<'entry> {
    name: &'entry str,
    sum: u32,
    size: u32,
}

impl ArchiveEntry<'_> {
    fn local_header(&self) -> Vec<u8> {
        let mut header = 0x0403_4b50_u32.to_le_bytes().to_vec();
        header.extend(self.common());
        header.extend_from_slice(self.name.as_bytes());
        header
    }

    fn directory_header(&self, offset: u32) -> Vec<u8> {
        // A regular file that all users may read and run, in the upper half of the attributes.
        const REGULAR_0755: u32 = 0o100_755 << 16;
        let mut header = 0x0201_4b50_u32.to_le_bytes().to_vec();
        // "Made by Unix": the attributes below are Unix attributes.
        header.extend(0x0314_u16.to_le_bytes());
        header.extend(self.common());
        // No comment, first disk, binary.
        header.extend([0; 6]);
        header.extend(REGULAR_0755.to_le_bytes());
        header.extend(offset.to_le_bytes());
        header.extend_from_slice(self.name.as_bytes());
        header
    }

    /// The fields of both headers: version, no flags, stored, the first day of 1980, sum, sizes,
    /// name.
    fn common(&self) -> Vec<u8> {
        let [sum, size] = [self.sum, self.size].map(u32::to_le_bytes);
        let name = u16::try_from(self.name.len()).expect("a short name").to_le_bytes();
        [&[20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0][..], &sum, &size, &size, &name, &[0, 0]].concat()
    }
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a package has less than 4 GB")
}

/// CRC-32, as zip archives use it, four bits at a time.
fn checksum(content: &[u8]) -> u32 {
    const TABLE: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    let half = |sum: u32, bits: u32| TABLE[(sum ^ bits) as usize & 0xf] ^ (sum >> 4);
    !content.iter().fold(!0, |sum, byte| {
        let byte = u32::from(*byte);
        let sum = half(sum, byte);
        half(sum, byte >> 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }
}
