//! The asynchronous streams against the synchronous interface.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::sync::Arc;

use envel::{
    AlgorithmSuiteId, Client, DecryptOptions, DefaultManager, EncryptOptions, Error, ErrorKind,
    RawAesKeyring, SecretBytes,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn manager() -> DefaultManager {
    let wrapping_key = SecretBytes::copied_from(&[5; 32]);
    DefaultManager::new(Arc::new(RawAesKeyring::new("tests", "key", &wrapping_key).unwrap()))
}

fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

async fn written(plaintext: &[u8], options: &EncryptOptions, write_len: usize) -> Vec<u8> {
    let encryption = Client::default().start_encryption(&manager(), options).await.unwrap();
    let announced = encryption.message_len(plaintext.len() as u64).unwrap();
    let mut writer = encryption.into_async_writer(Vec::new());
    for piece in plaintext.chunks(write_len) {
        writer.write_all(piece).await.unwrap();
    }
    let (message, summary) = writer.finish().await.unwrap();
    assert_eq!((summary.plaintext_len, summary.ciphertext_len), (plaintext.len() as u64, announced));
    message
}

async fn read(message: &[u8], buffer_len: usize) -> Result<Vec<u8>, Error> {
    // A pipe that holds little makes every read and write wait.
    let (mut sender, receiver) = tokio::io::duplex(37.max(buffer_len / 3));
    let message = message.to_vec();
    tokio::spawn(async move { sender.write_all(&message).await });
    let client = Client::default();
    let pending = client.read_header_async(receiver).await?;
    let mut reader = client.open_async(&manager(), pending, &DecryptOptions::new()).await?;
    let (mut released, mut buffer) = (Vec::new(), vec![0; buffer_len]);
    loop {
        match reader.read(&mut buffer).await.map_err(Error::from_io)? {
            0 => break,
            count => released.extend_from_slice(&buffer[..count]),
        }
    }
    assert_eq!(reader.summary().unwrap().plaintext_len, released.len() as u64);
    Ok(released)
}

#[tokio::test]
async fn messages_round_trip_at_every_edge_of_a_frame() {
    for suite in [
        AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey,
        AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
    ] {
        for length in [0, 1, 63, 64, 65, 128, 1000] {
            let options = EncryptOptions::new().algorithm_suite(suite).frame_length(64);
            let message = written(&plaintext(length), &options, 7).await;
            for buffer_len in [1, 64, 4096] {
                assert_eq!(read(&message, buffer_len).await.unwrap(), plaintext(length));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_longer_than_a_poll_may_take_go_to_the_blocking_pool() {
    let options = EncryptOptions::new().frame_length((1 << 20) + 1);
    for length in [0, 1 << 20, (1 << 20) + 1, (3 << 20) + 5] {
        let message = written(&plaintext(length), &options, 1 << 19).await;
        assert!(read(&message, 1 << 16).await.unwrap() == plaintext(length), "{length} bytes");
    }
}

#[tokio::test]
async fn cut_and_altered_messages_are_refused() {
    let message = written(&plaintext(150), &EncryptOptions::new().frame_length(64), 150).await;
    for end in 0..message.len() {
        assert_eq!(read(&message[..end], 64).await.unwrap_err().kind(), ErrorKind::Malformed);
    }
    let mut altered = message.clone();
    *altered.last_mut().unwrap() ^= 1;
    assert_eq!(read(&altered, 64).await.unwrap_err().kind(), ErrorKind::Unauthentic);
}

#[tokio::test]
async fn shutting_down_ends_the_message() {
    let options = EncryptOptions::new().frame_length(64);
    let encryption = Client::default().start_encryption(&manager(), &options).await.unwrap();
    let (sink, mut other_end) = tokio::io::duplex(4096);
    let mut writer = encryption.into_async_writer(sink);
    writer.write_all(&plaintext(100)).await.unwrap();
    writer.shutdown().await.unwrap();
    let mut message = Vec::new();
    other_end.read_to_end(&mut message).await.unwrap();
    assert_eq!(read(&message, 64).await.unwrap(), plaintext(100));
    writer.write_all(b"late").await.unwrap_err();
}
