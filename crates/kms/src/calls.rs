//! The operations by name, and how often each was called.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! operations {
    ($($operation:ident),+ $(,)?) => {
        /// An operation of the embedded KMS, named as AWS KMS names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $(
                #[doc = concat!("`", stringify!($operation), "`")]
                $operation,
            )+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$operation),+];

            /// The name that AWS uses.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$operation => stringify!($operation),)+
                }
            }
        }
    };
}

operations! {
    CancelKeyDeletion, CreateAlias, CreateKey, Decrypt, DeleteAlias, DescribeKey, DisableKey, EnableKey, Encrypt,
    GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom, ListAliases, ListKeys, ReEncrypt,
    ScheduleKeyDeletion, UpdateAlias,
}

/// How often each operation was called, refused calls and dry runs included.
///
/// ```
/// use envel_kms::{EmbeddedKms, OpenOptions, Operation};
///
/// let kms = EmbeddedKms::open(OpenOptions::in_memory())?;
/// assert_eq!(kms.call_counts().of(Operation::GenerateDataKey), 0);
/// # Ok::<(), envel_kms::StoreError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallCounts([u64; Operation::ALL.len()]);

impl CallCounts {
    /// Calls of one operation.
    pub fn of(&self, operation: Operation) -> u64 {
        self.0[operation as usize]
    }

    /// Calls of all operations.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// The counters themselves, shared by the worker, which counts, and the handles, which read.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallCounter(Arc<[AtomicU64; Operation::ALL.len()]>);

impl CallCounter {
    pub(crate) fn count(&self, operation: Operation) {
        self.0[operation as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> CallCounts {
        CallCounts(std::array::from_fn(|index| self.0[index].load(Ordering::Relaxed)))
    }
}
