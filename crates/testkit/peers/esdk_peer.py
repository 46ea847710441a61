"""The official Python SDK behind a line protocol: a JSON request a line on stdin, a JSON answer a line on stdout.

A request: `operation` ("encrypt" or "decrypt"), `keyring`, `commitment_policy` (the specification's name), and optionally
`algorithm_suite` (number), `encryption_context`, `required_context_names`, `frame_length`, and `max_encrypted_data_keys`.
The payload is `input` in base64; or `input_file` and `output_file`, which then goes through the streaming interface.
An answer: `output` in base64 (or nothing beyond `header_context` where it went to a file), or `error` alone.
"""

import base64
import json
import logging
import os
import shutil
import sys

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CreateDefaultCryptographicMaterialsManagerInput,
    CreateMultiKeyringInput,
    CreateRawAesKeyringInput,
    CreateRawRsaKeyringInput,
    CreateRequiredEncryptionContextCMMInput,
    PaddingScheme,
)
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.identifiers import AlgorithmSuite

PROVIDERS = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())

PADDINGS = {
    "pkcs1": PaddingScheme.PKCS1,
    "oaep-sha1": PaddingScheme.OAEP_SHA1_MGF1,
    "oaep-sha256": PaddingScheme.OAEP_SHA256_MGF1,
    "oaep-sha384": PaddingScheme.OAEP_SHA384_MGF1,
    "oaep-sha512": PaddingScheme.OAEP_SHA512_MGF1,
}
WRAPPING_ALGORITHMS = {
    16: AesWrappingAlg.ALG_AES128_GCM_IV12_TAG16,
    24: AesWrappingAlg.ALG_AES192_GCM_IV12_TAG16,
    32: AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
}


def keyring(description):
    """Builds the keyring that a request describes."""
    if description["type"] == "raw-aes":
        key = base64.b64decode(description["key"])
        return PROVIDERS.create_raw_aes_keyring(
            CreateRawAesKeyringInput(
                key_namespace=description["namespace"],
                key_name=description["name"],
                wrapping_key=key,
                wrapping_alg=WRAPPING_ALGORITHMS[len(key)],
            )
        )
    if description["type"] == "raw-rsa":
        pem = {name: description[name].encode() for name in ("public_key", "private_key") if name in description}
        return PROVIDERS.create_raw_rsa_keyring(
            CreateRawRsaKeyringInput(
                key_namespace=description["namespace"],
                key_name=description["name"],
                padding_scheme=PADDINGS[description["padding"]],
                **pem,
            )
        )
    if description["type"] == "multi":
        return PROVIDERS.create_multi_keyring(
            CreateMultiKeyringInput(
                generator=keyring(description["generator"]) if description.get("generator") else None,
                child_keyrings=[keyring(child) for child in description["children"]],
            )
        )
    raise ValueError(f"no keyring is called {description['type']!r}")


def materials_manager(request):
    """Builds the default materials manager, behind the required-context one where names are required."""
    default = PROVIDERS.create_default_cryptographic_materials_manager(
        CreateDefaultCryptographicMaterialsManagerInput(keyring=keyring(request["keyring"]))
    )
    if not request.get("required_context_names"):
        return default
    return PROVIDERS.create_required_encryption_context_cmm(
        CreateRequiredEncryptionContextCMMInput(
            underlying_cmm=default, required_encryption_context_keys=request["required_context_names"]
        )
    )


def answer(request):
    """Does what a request asks."""
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy[request["commitment_policy"]],
        max_encrypted_data_keys=request.get("max_encrypted_data_keys"),
    )
    arguments = {
        "materials_manager": materials_manager(request),
        "encryption_context": request.get("encryption_context", {}),
    }
    if request["operation"] == "encrypt":
        if "algorithm_suite" in request:
            arguments["algorithm"] = AlgorithmSuite.get_by_id(request["algorithm_suite"])
        if "frame_length" in request:
            arguments["frame_length"] = request["frame_length"]
    elif request["operation"] != "decrypt":
        raise ValueError(f"no operation is called {request['operation']!r}")

    if "input" in request:
        one_shot = client.encrypt if request["operation"] == "encrypt" else client.decrypt
        output, header = one_shot(source=base64.b64decode(request["input"]), **arguments)
        return {"output": base64.b64encode(output).decode(), "header_context": header.encryption_context}

    with open(request["input_file"], "rb") as source, open(request["output_file"], "wb") as sink:
        with client.stream(mode=request["operation"], source=source, **arguments) as stream:
            shutil.copyfileobj(stream, sink)
            return {"header_context": stream.header.encryption_context}


def main():
    # Whatever a library prints goes to stderr: stdout carries answers alone.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # The SDK logs a traceback for a refused message; the answer says why it was refused.
    logging.disable(logging.CRITICAL)
    for line in sys.stdin:
        try:
            outcome = answer(json.loads(line))
        except Exception as error:  # pylint: disable=broad-except
            outcome = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(outcome) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
