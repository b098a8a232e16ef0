//! What an executable file says about itself: its machine, and whether a loader runs.

use std::fs::File;
use std::path::Path;

use object::read::ReadCache;
use object::read::elf::{FileHeader, ProgramHeader};
use object::read::macho::{FatArch, MachOFatFile32, MachOFatFile64};
use object::{Architecture, Endianness, FileKind, Object, ReadRef, elf};

/// A file of machine code.
#[derive(Debug)]
pub struct Image {
    machines: Vec<Architecture>,
    kind: Kind,
}

/// How it comes to run.
#[derive(Debug)]
pub enum Kind {
    /// By a loader, which preloads.
    Dynamic {
        /// Its path, where the file names one.
        loader: Option<String>,
    },
    /// By itself.
    Static,
    /// Not at all: for a loader to add to a program.
    Library,
}

impl Image {
    /// Reads the headers of the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no ELF or Mach-O image.
    pub fn read(path: &Path) -> Result<Image, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        Self::parse(&ReadCache::new(file))
    }

    /// Reads the headers of an image in memory, or behind a cache.
    ///
    /// # Errors
    ///
    /// It is no ELF or Mach-O image.
    pub fn parse<'data>(data: impl ReadRef<'data>) -> Result<Image, String> {
        let known = FileKind::parse(data)
            .map_err(|_| "it is neither machine code nor a script".to_owned())?;
        let read = match known {
            FileKind::Elf32 => elf_image::<elf::FileHeader32<Endianness>, _>(data),
            FileKind::Elf64 => elf_image::<elf::FileHeader64<Endianness>, _>(data),
            FileKind::MachO32 | FileKind::MachO64 => mach_o(data),
            FileKind::MachOFat32 => MachOFatFile32::parse(data).map(|fat| fat_image(fat.arches())),
            FileKind::MachOFat64 => MachOFatFile64::parse(data).map(|fat| fat_image(fat.arches())),
            other => return Err(format!("it is a {other:?} file")),
        };
        read.map_err(|error| format!("its headers are damaged ({error})"))
    }

    /// How it comes to run.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Whether a library for the machine of `library` can be loaded into it.
    pub fn runs_on(&self, library: &Image) -> bool {
        library
            .machines
            .iter()
            .any(|machine| self.machines.contains(machine))
    }

    /// The machines it is for, in words.
    pub fn machines(&self) -> String {
        let names: Vec<_> = self
            .machines
            .iter()
            .map(|machine| format!("{machine:?}"))
            .collect();
        names.join(" and ")
    }
}

fn elf_image<'data, Header, Data>(data: Data) -> object::read::Result<Image>
where
    Header: FileHeader<Endian = Endianness>,
    Data: ReadRef<'data>,
{
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let mut loader = None;
    for segment in header.program_headers(endian, data)? {
        if let Some(path) = segment.interpreter(endian, data)? {
            loader = Some(String::from_utf8_lossy(path).into_owned());
        }
    }
    let kind = match loader {
        Some(_) => Kind::Dynamic { loader },
        // A position-independent static program is an ET_DYN too, and has an entry point.
        None if header.e_type(endian) == elf::ET_EXEC => Kind::Static,
        None if header.e_entry(endian).into() != 0 => Kind::Static,
        None => Kind::Library,
    };
    let machine = object::File::parse(data)?.architecture();
    Ok(Image {
        machines: vec![machine],
        kind,
    })
}

/// On macOS every program runs by the loader.
fn mach_o<'data>(data: impl ReadRef<'data>) -> object::read::Result<Image> {
    let machines = vec![object::File::parse(data)?.architecture()];
    Ok(Image {
        machines,
        kind: Kind::Dynamic { loader: None },
    })
}

fn fat_image(parts: &[impl FatArch]) -> Image {
    let machines = parts.iter().map(FatArch::architecture).collect();
    Image {
        machines,
        kind: Kind::Dynamic { loader: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_program_is_an_image_for_its_own_machine() {
        let own = Image::read(&std::env::current_exe().unwrap());
        let own = own.unwrap();
        assert!(own.runs_on(&own));
        assert!(!own.machines().is_empty());
    }

    #[test]
    fn text_is_no_image() {
        let error = Image::parse(&b"echo a shell script without a first line"[..]).unwrap_err();
        assert!(
            error.contains("neither machine code nor a script"),
            "{error}"
        );
    }

    #[test]
    fn a_truncated_header_is_damaged_and_not_a_panic() {
        assert!(Image::parse(&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0"[..]).is_err());
    }
}
