//! A plugin as one file: its manifest in a custom section of its component, so that both have one digest.
//!
//! Custom sections change nothing in what a component does (WebAssembly core specification, appendix "Custom Sections").

use std::borrow::Cow;
use std::ops::Range;

use wasm_encoder::{ComponentSection as _, CustomSection};
use wasmparser::{BinaryReader, CustomSectionReader};

use duress_model::{Error, Result};

/// The section's name.
const SECTION: &str = "duress:plugin.yaml";
/// Its length in bytes: the magic, the version, the layer.
const PREAMBLE: usize = 8;

/// Returns the component with a manifest in it, in the place of whatever manifest it had.
///
/// # Errors
/// `Input` when it is not a component.
pub fn embed(component: &[u8], manifest: &str) -> Result<Vec<u8>> {
    let mut packed = Vec::with_capacity(component.len() + manifest.len() + 32);
    let mut from = 0;
    for (_, whole) in sections(component)? {
        packed.extend_from_slice(&component[from..whole.start]);
        from = whole.end;
    }
    packed.extend_from_slice(&component[from..]);
    CustomSection {
        name: SECTION.into(),
        data: Cow::Borrowed(manifest.as_bytes()),
    }
    .append_to_component(&mut packed);
    Ok(packed)
}

/// Returns the manifest in a component; `None` where it has none.
///
/// # Errors
/// `Input` when it is not a component, or the manifest is not text.
pub(super) fn embedded(component: &[u8]) -> Result<Option<String>> {
    let Some((data, _)) = sections(component)?.pop() else {
        return Ok(None);
    };
    let text = String::from_utf8(component[data].to_vec());
    text.map(Some)
        .map_err(|_| Error::input("the manifest in the component is not text"))
}

/// One such section: its content, and the whole of it.
type Section = (Range<usize>, Range<usize>);

/// Where they are. A component is a preamble of eight bytes, and sections: each a byte for its kind, its length, its content.
fn sections(component: &[u8]) -> Result<Vec<Section>> {
    let damaged = |error: wasmparser::BinaryReaderError| {
        Error::input(format!("it is not a valid WebAssembly component: {error}"))
            .hint("build or download it again")
    };
    let mut found = Vec::new();
    let mut reader = BinaryReader::new(component.get(PREAMBLE..).unwrap_or_default(), PREAMBLE);
    while !reader.eof() {
        let start = reader.original_position();
        let kind = reader.read_u8().map_err(damaged)?;
        let length = reader.read_var_u32().map_err(damaged)? as usize;
        let content = reader.original_position();
        let bytes = reader.read_bytes(length).map_err(damaged)?;
        if kind != 0 {
            continue;
        }
        let section = CustomSectionReader::new(BinaryReader::new(bytes, content));
        let section = section.map_err(damaged)?;
        if section.name() == SECTION {
            let end = content + length;
            found.push((section.data_offset()..end, start..end));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component.
    const EMPTY: [u8; 8] = [0, b'a', b's', b'm', 13, 0, 1, 0];

    #[test]
    fn what_is_packed_is_found_and_replaced() {
        assert_eq!(embedded(&EMPTY).expect("a component"), None);
        let other = [&EMPTY[..], &[0, 3, 1, b'x', 7]].concat();
        let long = "name: x\n".repeat(100);
        let first = embed(&other, &long).expect("packed");
        assert_eq!(embedded(&first).expect("a component"), Some(long));
        let second = embed(&first, "name: y").expect("packed");
        assert_eq!(
            embedded(&second).expect("a component").as_deref(),
            Some("name: y")
        );
        assert_eq!(
            second,
            embed(&other, "name: y").expect("packed"),
            "nothing of the first is left"
        );
        wasmparser::validate(&second).expect("a component still");
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let whole = embed(&EMPTY, "name: x").expect("packed");
        for length in 9..whole.len() {
            let result = embedded(&whole[..length]);
            assert!(result.is_err(), "{length} of {} bytes", whole.len());
        }
    }
}
