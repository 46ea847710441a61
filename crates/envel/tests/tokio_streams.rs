//! The asynchronous streams against the synchronous interface.
#![cfg(feature = "tokio")]
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::future::Future;
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

/// Polls once and drops the future, as a timeout does.
async fn cancelled<T>(future: impl Future<Output = T>) {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_write_does_not_cut_the_message() {
    let frame_length = (1 << 20) + 1;
    let options = EncryptOptions::new().frame_length(frame_length);
    let whole = plaintext(frame_length as usize + 5);
    for rounds in 0..20 {
        let encryption = Client::default().start_encryption(&manager(), &options).await.unwrap();
        let mut message = Vec::new();
        let mut writer = encryption.into_async_writer(&mut message);
        writer.write_all(&whole[..frame_length as usize]).await.unwrap();
        // The frame is full, so this sends it to the blocking pool, and is dropped.
        cancelled(writer.write(&whole[frame_length as usize..])).await;
        if rounds % 2 == 0 {
            writer.flush().await.unwrap();
        }
        writer.shutdown().await.unwrap();
        drop(writer);
        // Whether the cancelled write was taken is not known; that the message is whole is.
        let read = read(&message, 1 << 16).await.unwrap();
        assert!(whole.starts_with(&read) && read.len() >= frame_length as usize);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_cancelled_shutdown_nothing_more_is_taken() {
    let options = EncryptOptions::new().frame_length((1 << 20) + 1);
    let encryption = Client::default().start_encryption(&manager(), &options).await.unwrap();
    let mut message = Vec::new();
    let mut writer = encryption.into_async_writer(&mut message);
    writer.write_all(&plaintext(100)).await.unwrap();
    cancelled(writer.shutdown()).await;
    writer.write_all(b"late").await.unwrap_err();
    writer.shutdown().await.unwrap();
    drop(writer);
    assert_eq!(read(&message, 1 << 16).await.unwrap(), plaintext(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_whose_future_was_dropped_goes_on() {
    let options = EncryptOptions::new().frame_length((1 << 20) + 1);
    let whole = plaintext(3 << 20);
    let message = written(&whole, &options, 1 << 20).await;
    let pending = Client::default().read_header_async(&message[..]).await.unwrap();
    let mut reader = Client::default().open_async(&manager(), pending, &DecryptOptions::new()).await.unwrap();
    let mut released = vec![0; 10];
    cancelled(reader.read(&mut released)).await;
    released.clear();
    reader.read_to_end(&mut released).await.unwrap();
    assert!(whole.ends_with(&released) && released.len() >= whole.len() - 10);
}
