// The official JavaScript SDK behind the line protocol that esdk_peer.py describes.
// Usage: node esdk_peer.mjs DIRECTORY    the directory that holds node_modules
// The SDK has no required-context materials manager, so a request that names required pairs is refused.

import { createReadStream, createWriteStream } from 'node:fs'
import { constants } from 'node:crypto'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'

const require = createRequire(join(resolve(process.argv[2]), 'package.json'))
const sdk = require('@aws-crypto/client-node')

const paddings = {
  pkcs1: { padding: constants.RSA_PKCS1_PADDING },
  'oaep-sha1': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
  'oaep-sha256': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
  'oaep-sha384': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha384' },
  'oaep-sha512': { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha512' },
}
const wrappingSuites = {
  16: sdk.RawAesWrappingSuiteIdentifier.AES128_GCM_IV12_TAG16_NO_PADDING,
  24: sdk.RawAesWrappingSuiteIdentifier.AES192_GCM_IV12_TAG16_NO_PADDING,
  32: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
}

function keyring (description) {
  const names = { keyNamespace: description.namespace, keyName: description.name }
  switch (description.type) {
    case 'raw-aes': {
      // The SDK takes the memory of the key for its own, so it must not lie in a shared pool.
      const key = new Uint8Array(Buffer.from(description.key, 'base64'))
      return new sdk.RawAesKeyringNode({
        ...names,
        unencryptedMasterKey: key,
        wrappingSuite: wrappingSuites[key.length],
        // The specification's order of the context; the SDK's default is that of its own old versions.
        utf8Sorting: true,
      })
    }
    case 'raw-rsa':
      return new sdk.RawRsaKeyringNode({
        ...names,
        ...paddings[description.padding],
        rsaKey: { publicKey: description.public_key, privateKey: description.private_key },
      })
    case 'multi':
      return new sdk.MultiKeyringNode({
        generator: description.generator && keyring(description.generator),
        children: description.children.map(keyring),
      })
    default:
      throw new Error(`no keyring is called ${JSON.stringify(description.type)}`)
  }
}

// The SDK leaves the comparison of the context to its caller: every pair asked for must be in the header.
function requirePairs (header, pairs) {
  for (const [name, value] of Object.entries(pairs)) {
    if (header.encryptionContext[name] !== value) throw new Error('the encryption context does not match')
  }
}

async function answer (request) {
  if (request.required_context_names?.length) throw new Error('required pairs are not supported by this SDK')
  const client = sdk.buildClient({
    commitmentPolicy: request.commitment_policy,
    maxEncryptedDataKeys: request.max_encrypted_data_keys ?? false,
  })
  const materials = keyring(request.keyring)
  const pairs = request.encryption_context ?? {}
  const encrypting = request.operation === 'encrypt'
  if (!encrypting && request.operation !== 'decrypt') throw new Error(`no operation is called ${request.operation}`)
  const options = encrypting
    ? { suiteId: request.algorithm_suite, encryptionContext: pairs, frameLength: request.frame_length }
    : {}

  if (request.input !== undefined) {
    const input = Buffer.from(request.input, 'base64')
    const { result, plaintext, messageHeader } = encrypting
      ? await client.encrypt(materials, input, options)
      : await client.decrypt(materials, input, options)
    if (!encrypting) requirePairs(messageHeader, pairs)
    return { output: (result ?? plaintext).toString('base64'), header_context: messageHeader.encryptionContext }
  }

  const stream = encrypting ? client.encryptStream(materials, options) : client.decryptStream(materials, options)
  let header
  stream.once('MessageHeader', (found) => { header = found })
  await pipeline(createReadStream(request.input_file), stream, createWriteStream(request.output_file))
  if (!header) throw new Error('the message has no header')
  if (!encrypting) requirePairs(header, pairs)
  return { header_context: header.encryptionContext }
}

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  let outcome
  try {
    outcome = await answer(JSON.parse(line))
  } catch (error) {
    outcome = { error: `${error.name}: ${error.message}` }
  }
  process.stdout.write(JSON.stringify(outcome) + '\n')
}
