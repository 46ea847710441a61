"""Measures the official Python SDK: answers the requests that src/main.rs describes, for one thread."""

import sys
import time

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import AesWrappingAlg, CreateRawAesKeyringInput
from aws_encryption_sdk.identifiers import AlgorithmSuite


def main():
    client = aws_encryption_sdk.EncryptionSDKClient()
    keyring = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig()).create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace="bench",
            key_name="key",
            wrapping_key=bytes(32),
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
        )
    )
    prepared, source = None, None
    for line in sys.stdin:
        _, operation, suite, message_len, threads, repeats = line.split()
        if threads != "1":
            raise ValueError("the Python SDK is measured in one thread")
        algorithm = AlgorithmSuite.get_by_id(int(suite, 16))
        if prepared != (operation, suite, message_len):
            source = bytes(range(251)) * (int(message_len) // 251 + 1)
            source = source[: int(message_len)]
            if operation == "decrypt":
                source, _ = client.encrypt(source=source, keyring=keyring, algorithm=algorithm)
            prepared = (operation, suite, message_len)
        start = time.perf_counter()
        for _ in range(int(repeats)):
            if operation == "encrypt":
                client.encrypt(source=source, keyring=keyring, algorithm=algorithm)
            else:
                client.decrypt(source=source, keyring=keyring)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
