//! An embedded KMS: keys, aliases and the data plane of AWS KMS, in this process.
//!
//! It answers the operations of [`envel_core::KmsClient`] and [`envel_core::KmsControl`] with AWS's semantics, limits and error
//! names, without a network, an account or a server. Keys live in one SQLite database, shared safely by processes, or in memory.
//!
//! # What it is for
//! Laptops, tests, CI and the edge. **It is not a substitute for an HSM or for AWS KMS**: whoever can read the store's directory as
//! its owner (or knows the passphrase), or the memory of a process that has it open, has the keys. There is one caller, the root
//! of the account, who may do everything. Losing the directory loses every key and whatever was encrypted under it: make backups.
//!
#![cfg_attr(feature = "sqlite", doc = "```")]
#![cfg_attr(not(feature = "sqlite"), doc = "```ignore")]
//! use envel_core::kms::{CreateKeyRequest, DecryptRequest, GenerateDataKeyRequest};
//! use envel_core::{EncryptionContext, KmsClient, KmsControl, KmsErrorKind};
//! use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions};
//!
//! # let home = tempfile::tempdir()?;
//! # let directory = home.path().join("store");
//! # pollster::block_on(async {
//! let kms = EmbeddedKms::open(OpenOptions::new(&directory).create(true))?;
//! let client = kms.client(DEFAULT_REGION);
//!
//! let key = client.create_key(CreateKeyRequest::new().description("backups")).await?;
//! client.create_alias("alias/backups".into(), key.arn.resource_id().into()).await?;
//!
//! let context = EncryptionContext::try_from_pairs([("tenant", "42")])?;
//! let request = GenerateDataKeyRequest::new("alias/backups", 32).encryption_context(context.clone());
//! let data_key = client.generate_data_key(request).await?;
//!
//! let request = DecryptRequest::new(data_key.ciphertext_blob.clone()).encryption_context(context);
//! let opened = client.decrypt(request).await?;
//! assert_eq!(opened.plaintext.expose_secret(), data_key.plaintext.expose_secret());
//!
//! // Without its encryption context the data key stays closed.
//! let refused = client.decrypt(DecryptRequest::new(data_key.ciphertext_blob)).await.unwrap_err();
//! assert_eq!(refused.kind, KmsErrorKind::WrongCiphertext);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it is built
//! One worker thread owns the store and answers over a channel, so that any executor can await it and no poll touches a file. Each
//! call goes through one pipeline: resolve the keys, authorise, throttle, operate, audit, answer. Every call is one transaction,
//! and nothing is remembered between two: what one process changes, the others see at once. A key that was answered survives a power
//! cut.
//!
//! Stores are for Unix systems, on local file systems: network file systems and FUSE are refused on Linux, where they can be told. A
//! process must not open `kms.sqlite3` by other means while it has the store open, since closing that file again would release SQLite's
//! locks.
//!
//! `kms.sqlite3-wal` belongs to the database: a copy of `kms.sqlite3` without it lacks the newest keys, and a copy made during a write
//! can be damaged. [`EmbeddedKms::backup`] is the way to copy a store.
//!
//! # Security
//! - Key material is 256 random bits, sealed in the database under the store's root key. The root key is a file of mode 0600 beside it,
//!   or sealed under a passphrase by Argon2id. A store whose root key is missing or another's is refused; no root key is ever made
//!   for keys that exist.
//! - Ciphertexts are AES-256-GCM under a key derived for each by HKDF-SHA-256 from the key material and a random 256-bit salt, so that
//!   no number of calls wears a key out. Key, key material, account, Region and encryption context are authenticated.
//! - What the database says about keys besides their material (states, aliases, dates) is not authenticated: whoever can write to it
//!   can enable a disabled key.
//! - A key whose deletion date has come is gone at once, and its key material is wiped by the next call of any process that has the store
//!   open and can write to it. Backups made before still hold it. The date is compared with the wall clock.
//!
//! # Features
//! `sqlite` (default): stores on disk, backups, passphrases. Without it only [`OpenOptions::in_memory`] remains.

mod calls;
mod client;
mod embedded;
mod key;
mod operation;
mod refusal;
mod resolve;
mod sealed;
mod service;
mod store;
mod worker;

pub use calls::{CallCounts, Operation};
pub use client::RegionClient;
pub use embedded::{DEFAULT_ACCOUNT, DEFAULT_REGION, EmbeddedKms, OpenOptions};
pub use store::StoreError;
