//! What can go wrong, and the item that comes back when it does.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// What every fallible operation of this crate returns.
///
/// # Examples
/// ```
/// use elasticq::{BufferResult, Config, DynamicCircularBuffer};
///
/// fn first(items: Vec<u8>) -> BufferResult<u8> {
///     let buffer = DynamicCircularBuffer::new(Config::default())?;
///     buffer.push_batch(items)?;
///     buffer.pop()
/// }
///
/// assert_eq!(first(vec![1, 2]), Ok(1));
/// ```
pub type BufferResult<T> = Result<T, BufferError>;

/// Why an operation was refused. A refused operation leaves the buffer as it was.
///
/// Every error answers two questions: [`is_retriable`](Self::is_retriable) and
/// [`is_capacity_error`](Self::is_capacity_error).
///
/// # Examples
/// ```
/// use elasticq::{BufferError, Config, DynamicCircularBuffer};
///
/// let buffer = DynamicCircularBuffer::new(Config::default())?;
/// buffer.push(1)?;
/// assert_eq!(buffer.pop(), Ok(1));
/// assert_eq!(buffer.pop(), Err(BufferError::Empty));
/// # Ok::<(), BufferError>(())
/// ```
///
/// What a program may do about each:
/// ```
/// use elasticq::BufferError;
///
/// fn advice(error: &BufferError) -> &'static str {
///     match error {
///         BufferError::Full | BufferError::MaxCapacityReached(_) => "wait for room",
///         BufferError::Empty | BufferError::Timeout(_) => "wait for an item",
///         BufferError::ResizeError(_) | BufferError::Other(_) => "try again later",
///         BufferError::InvalidOperation(_) | BufferError::InvalidConfiguration(_) => "change the program",
///         BufferError::Closed => "end",
///         BufferError::AlreadyOpen(_) => "end the other process",
///         BufferError::Corrupted(_) | BufferError::Io(_) => "look at the disk",
///         _ => "ask",
///     }
/// }
///
/// assert_eq!(advice(&BufferError::Closed), "end");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BufferError {
    /// There is some room, but less than the batch needs.
    #[error("the buffer has too little room for the batch")]
    Full,
    /// There is nothing to take.
    #[error("the buffer is empty")]
    Empty,
    /// The operation waited this long, and then gave up.
    #[error("the operation timed out after {0:?}")]
    Timeout(Duration),
    /// The buffer holds as many items as `max_capacity` (the number given here) allows, or the batch is
    /// larger than that.
    #[error("the buffer has reached its max_capacity of {0} items")]
    MaxCapacityReached(usize),
    /// There was no memory for a larger ring. What was in the buffer is still there.
    #[error("the buffer could not be resized: {0}")]
    ResizeError(String),
    /// The call makes no sense in the buffer's state, or from the calling thread; or the batch has more items
    /// than a buffer can count.
    #[error("invalid operation: {0}")]
    InvalidOperation(String),
    /// A setting breaks its rule; the text names the field, its value and the rule.
    #[error("invalid configuration: {0}")]
    InvalidConfiguration(String),
    /// None of the other kinds.
    #[error("{0}")]
    Other(String),
    /// The buffer was closed, and what it held has been taken.
    #[error("the buffer is closed")]
    Closed,
    /// Stored data failed its check; the text names the file and the offset.
    #[error("corrupted data: {0}")]
    Corrupted(String),
    /// The durable queue is open elsewhere; the text names the owner.
    #[error("already open: {0}")]
    AlreadyOpen(String),
    /// The operating system refused something, say to write a file.
    // Not a `Box`: the code that drops it stands wherever a result of a push or pop is dropped, and cost
    // these seven to ten instructions.
    #[error(transparent)]
    Io(Arc<IoError>),
}

/// The one list of all kinds of error. The compiler makes sure that none is missing.
macro_rules! kinds {
    ($($kind:pat => $name:literal,)*) => {
        impl BufferError {
            /// The names of all kinds, for tables that need a row for each.
            ///
            /// # Examples
            /// ```
            /// assert!(elasticq::BufferError::KINDS.contains(&"Closed"));
            /// ```
            pub const KINDS: &'static [&'static str] = &[$($name),*];

            /// The name of this kind of error: that of the variant.
            ///
            /// # Examples
            /// ```
            /// assert_eq!(elasticq::BufferError::MaxCapacityReached(8).kind(), "MaxCapacityReached");
            /// ```
            #[must_use]
            pub const fn kind(&self) -> &'static str {
                match self {
                    $($kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    Self::Full => "Full",
    Self::Empty => "Empty",
    Self::Timeout(_) => "Timeout",
    Self::MaxCapacityReached(_) => "MaxCapacityReached",
    Self::ResizeError(_) => "ResizeError",
    Self::InvalidOperation(_) => "InvalidOperation",
    Self::InvalidConfiguration(_) => "InvalidConfiguration",
    Self::Other(_) => "Other",
    Self::Closed => "Closed",
    Self::Corrupted(_) => "Corrupted",
    Self::AlreadyOpen(_) => "AlreadyOpen",
    Self::Io(_) => "Io",
}

impl BufferError {
    /// An error for the case that the operating system refused to do something with `path`. `attempt` says
    /// what, as in "to write". If the refusal is one of these errors itself, made by `io::Error::other`, that
    /// one is returned.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    /// use std::fs::File;
    ///
    /// let refused = File::open("/no/such/file").unwrap_err();
    /// let error = BufferError::io("to open", "/no/such/file", &refused);
    /// assert!(error.to_string().starts_with("failed to open /no/such/file: "));
    /// let BufferError::Io(details) = error else { unreachable!() };
    /// assert_eq!((details.errno(), details.path().to_str()), (refused.raw_os_error(), Some("/no/such/file")));
    ///
    /// let closed = std::io::Error::other(BufferError::Closed);
    /// assert_eq!(BufferError::io("to open", "/a/file", &closed), BufferError::Closed);
    /// ```
    #[must_use]
    pub fn io(attempt: &'static str, path: impl Into<PathBuf>, refused: &io::Error) -> Self {
        if let Some(why) = refused.get_ref().and_then(|reason| reason.downcast_ref::<Self>()) {
            return why.clone();
        }
        Self::Io(Arc::new(IoError {
            attempt,
            path: path.into(),
            kind: refused.kind(),
            errno: refused.raw_os_error(),
            reason: refused.to_string(),
        }))
    }

    /// Whether the same call may succeed later if nothing changes but the buffer's contents or the amount of
    /// free memory.
    ///
    /// True for `Full`, `MaxCapacityReached`, `Empty`, `Timeout`, `ResizeError` and `Other`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    ///
    /// assert!(BufferError::MaxCapacityReached(8).is_retriable());
    /// assert!(!BufferError::Closed.is_retriable());
    /// ```
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::Full
                | Self::MaxCapacityReached(_)
                | Self::Empty
                | Self::Timeout(_)
                | Self::ResizeError(_)
                | Self::Other(_)
        )
    }

    /// Whether the operation failed for lack of room: `Full` and `MaxCapacityReached`.
    ///
    /// # Examples
    /// ```
    /// use elasticq::BufferError;
    ///
    /// assert!(BufferError::Full.is_capacity_error());
    /// assert!(!BufferError::Empty.is_capacity_error());
    /// ```
    #[must_use]
    pub const fn is_capacity_error(&self) -> bool {
        matches!(self, Self::Full | Self::MaxCapacityReached(_))
    }
}

/// What the operating system refused, for which file, and why. See [`BufferError::io`].
///
/// # Examples
/// ```
/// use elasticq::BufferError;
/// use std::io::{Error, ErrorKind};
///
/// let error = BufferError::io("to write", "jobs", &Error::new(ErrorKind::StorageFull, "no room"));
/// assert_eq!(error.to_string(), "failed to write jobs: no room");
/// let BufferError::Io(details) = error else { unreachable!() };
/// assert_eq!((details.kind(), details.errno()), (ErrorKind::StorageFull, None));
/// assert_eq!((details.path().to_str(), details.reason()), (Some("jobs"), "no room"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed {attempt} {}: {reason}", .path.display())]
pub struct IoError {
    attempt: &'static str,
    path: PathBuf,
    kind: io::ErrorKind,
    errno: Option<i32>,
    reason: String,
}

impl IoError {
    /// The kind of refusal, the same on all systems.
    #[must_use]
    pub const fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// The operating system's number for the reason; `None` if it was not the system that refused.
    #[must_use]
    pub const fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The reason in words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// A refused push: the reason, and the item (or batch) itself, so that nothing is lost.
///
/// # Examples
/// ```
/// use elasticq::{BufferError, Config, DynamicCircularBuffer};
///
/// let one = Config::default().with_initial_capacity(1).with_min_capacity(1).with_max_capacity(1);
/// let buffer = DynamicCircularBuffer::new(one)?;
/// buffer.push("kept".to_string())?;
/// let rejected = buffer.offer("refused".to_string()).unwrap_err();
/// assert_eq!((rejected.reason(), rejected.item().len()), (&BufferError::MaxCapacityReached(1), 7));
/// assert_eq!(rejected.clone().into_inner(), "refused");
/// assert_eq!(rejected.into_parts(), (BufferError::MaxCapacityReached(1), "refused".to_string()));
/// # Ok::<(), BufferError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Rejected<T> {
    reason: BufferError,
    item: T,
}

impl<T> Rejected<T> {
    /// A refusal of `item`, for layers above that refuse for reasons of their own.
    #[must_use]
    pub const fn new(reason: BufferError, item: T) -> Self {
        Self { reason, item }
    }

    /// Why the item was refused.
    #[must_use]
    pub const fn reason(&self) -> &BufferError {
        &self.reason
    }

    /// A look at the item.
    #[must_use]
    pub const fn item(&self) -> &T {
        &self.item
    }

    /// The item, back in the caller's hands.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.item
    }

    /// The reason and the item.
    #[must_use]
    pub fn into_parts(self) -> (BufferError, T) {
        (self.reason, self.item)
    }
}

/// The result of a call that takes an item out of `place` unless it is refused.
///
/// An item that is passed by value is copied into each call on its way, and into each result on the way back,
/// unless the compiler optimises that away. So the slow paths pass on the place of the item instead.
pub(crate) fn give_back<T, R: Default>(put: BufferResult<R>, place: Option<T>) -> Result<R, Rejected<T>> {
    match (put, place) {
        (Ok(put), _) => Ok(put),
        (Err(reason), Some(item)) => Err(Rejected { reason, item }),
        (Err(_), None) => Ok(R::default()),
    }
}

impl<T> From<Rejected<T>> for BufferError {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.reason
    }
}

// By hand, so that neither trait requires anything of `T`.
impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<T> Error for Rejected<T> {}
