// Measures the official JavaScript SDK: answers the requests that src/main.rs describes, for one thread.
// Usage: node js_sdk.mjs DIRECTORY    the directory that holds node_modules

import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const require = createRequire(join(resolve(process.argv[2]), 'package.json'))
const sdk = require('@aws-crypto/client-node')

const client = sdk.buildClient()
const keyring = new sdk.RawAesKeyringNode({
  keyNamespace: 'bench',
  keyName: 'key',
  unencryptedMasterKey: new Uint8Array(32),
  wrappingSuite: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  utf8Sorting: true,
})

let prepared, source
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const [, operation, suite, messageLength, threads, repeats] = line.split(' ')
  if (threads !== '1') throw new Error('the JavaScript SDK is measured in one thread')
  const options = { suiteId: parseInt(suite, 16), encryptionContext: {} }
  const work = operation === 'encrypt'
    ? () => client.encrypt(keyring, source, options)
    : () => client.decrypt(keyring, source)
  const key = [operation, suite, messageLength].join()
  if (prepared !== key) {
    source = Buffer.alloc(Number(messageLength))
    for (let index = 0; index < source.length; index++) source[index] = index % 251
    if (operation === 'decrypt') source = (await client.encrypt(keyring, source, options)).result
    prepared = key
  }
  const start = process.hrtime.bigint()
  for (let index = 0; index < Number(repeats); index++) await work()
  console.log(Number(process.hrtime.bigint() - start) / 1e9)
}
