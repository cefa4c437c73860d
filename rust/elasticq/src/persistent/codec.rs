//! How items become bytes and come back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::fmt;

/// Turns items of a durable queue into bytes and back.
///
/// The queue calls it without holding any lock, but for what [`copies`](Self::copies) gives. An item that
/// can't be turned back stays in the queue.
///
/// # Examples
/// ```
/// use elasticq::persistent::{Codec, PersistentCircularBuffer, PersistentConfig};
/// use std::borrow::Cow;
///
/// /// Text as it is, so that other programs can read it, too.
/// struct Text;
///
/// impl Codec<String> for Text {
///     fn encode<'a>(&self, item: &'a String) -> Result<Cow<'a, [u8]>, String> {
///         Ok(item.as_bytes().into())
///     }
///     fn decode(&self, bytes: &[u8]) -> Result<String, String> {
///         String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
///     }
/// }
///
/// # let folder = tempfile::tempdir().unwrap();
/// let config = PersistentConfig::default().with_file_path(folder.path().join("queue"));
/// let queue = PersistentCircularBuffer::with_codec(config, Text)?;
/// queue.push("hello".to_string())?;
/// assert_eq!(queue.pop()?, "hello");
/// assert!(Text.copies().is_none()); // it decodes
/// # Ok::<(), elasticq::BufferError>(())
/// ```
pub trait Codec<T>: Send + Sync {
    /// The bytes of an item.
    ///
    /// # Errors
    /// Why there are none. The item is refused.
    fn encode<'a>(&self, item: &'a T) -> Result<Cow<'a, [u8]>, String>;

    /// The item of these bytes.
    ///
    /// # Errors
    /// Why they are none. The item stays in the queue.
    fn decode(&self, bytes: &[u8]) -> Result<T, String>;

    /// What makes an item of its bytes, if that is no more than to copy them: the queue may call it while it
    /// holds a lock, so it must not fail and must not come back to the queue. Saves a pop one of two copies.
    /// By default there is none, and the bytes are [decoded](Self::decode).
    fn copies(&self) -> Option<fn(&[u8]) -> T> {
        None
    }
}

/// The usual codec: [postcard](https://docs.rs/postcard), for everything that serde knows. It is compact, and
/// the bytes don't say what they are: they are read with the type that they were written with.
///
/// # Examples
/// ```
/// use elasticq::persistent::{Codec, Postcard};
///
/// let item = (1_u8, "two".to_string());
/// let bytes = Postcard.encode(&item)?;
/// assert_eq!(bytes.as_ref(), b"\x01\x03two");
/// let again: (u8, String) = Postcard.decode(&bytes)?;
/// assert_eq!(again, item);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Postcard;

impl<T: Serialize + DeserializeOwned> Codec<T> for Postcard {
    fn encode<'a>(&self, item: &'a T) -> Result<Cow<'a, [u8]>, String> {
        postcard::to_stdvec(item).map(Cow::Owned).map_err(|error| error.to_string())
    }

    fn decode(&self, bytes: &[u8]) -> Result<T, String> {
        match postcard::take_from_bytes(bytes) {
            Ok((item, [])) => Ok(item),
            Ok((_, rest)) => Err(format!("{} bytes are left over", rest.len())),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Bytes as they are.
///
/// # Examples
/// ```
/// use elasticq::persistent::{Codec, Raw};
///
/// let item = vec![1, 2, 3];
/// assert_eq!(Raw.encode(&item)?.as_ref(), [1, 2, 3]);
/// let copy = Raw.copies().expect("bytes are copied");
/// assert_eq!((Raw.decode(&item)?, copy(&item)), (item.clone(), item));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Codec<Vec<u8>> for Raw {
    fn encode<'a>(&self, item: &'a Vec<u8>) -> Result<Cow<'a, [u8]>, String> {
        Ok(Cow::Borrowed(item))
    }

    fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(bytes.to_vec())
    }

    #[inline]
    fn copies(&self) -> Option<fn(&[u8]) -> Vec<u8>> {
        Some(<[u8]>::to_vec)
    }
}

/// What a producer may say of an item.
///
/// # Examples
/// ```
/// use elasticq::persistent::PushOptions;
/// use std::time::Duration;
///
/// let later = PushOptions::default().with_delay(Duration::from_secs(60)).with_id("invoice 7");
/// let later = later.with_headers("from Ada");
/// assert_eq!((later.delay, later.headers), (Duration::from_secs(60), b"from Ada".to_vec()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushOptions {
    /// A name of the item's own. While it is one of the latest `id_window` names, a push with the same name
    /// adds nothing. Empty: the item has none.
    pub id: Vec<u8>,
    /// How long nobody can take the item, in whole milliseconds.
    pub delay: std::time::Duration,
    /// Whatever belongs to the item and is not the item. It comes back with a lease.
    pub headers: Vec<u8>,
}

impl PushOptions {
    /// Sets the item's name.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.id = id.into();
        self
    }

    /// Sets how long nobody can take the item.
    #[must_use]
    pub const fn with_delay(mut self, delay: std::time::Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sets what belongs to the item.
    #[must_use]
    pub fn with_headers(mut self, headers: impl Into<Vec<u8>>) -> Self {
        self.headers = headers.into();
        self
    }
}

/// Why an item could not be turned into bytes, or back.
pub(super) fn unreadable(why: &dyn fmt::Display) -> crate::BufferError {
    crate::BufferError::Other(format!("the item can't be turned into bytes: {why}"))
}
