//! The list and the names of the variants of an enum. strum derives both from the enum itself, so
//! that no list is kept by hand: a variant that is missing there would be stored and unreadable.

use strum::VariantArray;

/// The variants, in the order of declaration, as an array. Callers map it without an allocation.
pub(crate) const fn all<T: VariantArray + Copy, const N: usize>() -> [T; N] {
    match T::VARIANTS.first_chunk() {
        Some(variants) => *variants,
        None => panic!("N is the number of variants"),
    }
}

/// Adds the list of variants and their names to an enum that derives `VariantArray` and
/// `IntoStaticStr`. The enum chooses the spelling with `#[strum(serialize_all = "kebab-case")]`;
/// `stored_names.rs` pins it.
macro_rules! named {
    ($kind:ident, $all:ident: $all_doc:literal, name: $name_doc:literal) => {
        impl $kind {
            #[doc = $all_doc]
            pub const $all: [Self; <Self as strum::VariantArray>::VARIANTS.len()] =
                $crate::variants::all();

            #[doc = $name_doc]
            pub fn name(self) -> &'static str {
                self.into()
            }

            /// The variant with that name; `None` if there is none.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::$all.into_iter().find(|variant| variant.name() == name)
            }
        }
    };
}

pub(crate) use named;
