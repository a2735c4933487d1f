//! A section that has been read and is not given away before the whole configuration is.

use std::fmt;

/// A section that [`Loader::finish`](super::Loader::finish) unlocks.
#[must_use = "hand it to `Loader::finish`, which gives the section away"]
pub struct Loaded<T> {
    name: Box<str>,
    value: Option<T>,
}

impl<T> Loaded<T> {
    pub(super) fn new(name: &str, value: Option<T>) -> Self {
        Self {
            name: name.into(),
            value,
        }
    }
}

impl<T> fmt::Debug for Loaded<T> {
    /// Shows the name, never the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loaded").field(&self.name).finish()
    }
}

/// What [`Loader::finish`](super::Loader::finish) can give away: a [`Loaded`] section, a tuple of up to
/// twelve of them, an `Option` or a `Vec`. Sealed.
pub trait Unlock: sealed::Sealed {
    /// The section, or all of them.
    type Output;

    #[doc(hidden)]
    fn unlock(self) -> Result<Self::Output, Box<str>>;
}

mod sealed {
    #[allow(unreachable_pub, reason = "the seal of a public trait")]
    pub trait Sealed {}
}

impl<T> sealed::Sealed for Loaded<T> {}

impl<T> Unlock for Loaded<T> {
    type Output = T;

    fn unlock(self) -> Result<T, Box<str>> {
        self.value.ok_or(self.name)
    }
}

impl<U: Unlock> sealed::Sealed for Option<U> {}

impl<U: Unlock> Unlock for Option<U> {
    type Output = Option<U::Output>;

    fn unlock(self) -> Result<Self::Output, Box<str>> {
        self.map(Unlock::unlock).transpose()
    }
}

impl<U: Unlock> sealed::Sealed for Vec<U> {}

impl<U: Unlock> Unlock for Vec<U> {
    type Output = Vec<U::Output>;

    fn unlock(self) -> Result<Self::Output, Box<str>> {
        self.into_iter().map(Unlock::unlock).collect()
    }
}

macro_rules! tuples {
    ($(($($name:ident),*))*) => {$(
        impl<$($name: Unlock),*> sealed::Sealed for ($($name,)*) {}

        impl<$($name: Unlock),*> Unlock for ($($name,)*) {
            type Output = ($($name::Output,)*);

            #[allow(non_snake_case, clippy::unused_unit, reason = "one macro for all lengths")]
            fn unlock(self) -> Result<Self::Output, Box<str>> {
                let ($($name,)*) = self;
                Ok(($($name.unlock()?,)*))
            }
        }
    )*};
}

tuples! {
    ()
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, F)
    (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, H)
    (A, B, C, D, E, F, G, H, I)
    (A, B, C, D, E, F, G, H, I, J)
    (A, B, C, D, E, F, G, H, I, J, K)
    (A, B, C, D, E, F, G, H, I, J, K, L)
}
