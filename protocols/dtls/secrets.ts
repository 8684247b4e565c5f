/** The key schedule of TLS 1.2 with SHA-256 (RFC 5246 sections 5, 6.3 and 8.1; RFC 7627; RFC 5705). */
import { ascii, concat } from './bytes.ts';
import type { DtlsCrypto } from './crypto.ts';

const MASTER_SECRET_SIZE = 48;
const VERIFY_DATA_SIZE = 12;
/** AES-128-GCM: keys of 16 bytes and salts of 4, of both sides. */
const KEY_SIZE = 16;
const SALT_SIZE = 4;

export interface TrafficKeys {
  readonly clientKey: Uint8Array;
  readonly serverKey: Uint8Array;
  readonly clientSalt: Uint8Array;
  readonly serverSalt: Uint8Array;
}

/** PRF (RFC 5246 section 5). */
export function prf(
  crypto: DtlsCrypto,
  secret: Uint8Array,
  label: string,
  seed: Uint8Array,
  length: number,
): Uint8Array {
  const labelled = concat(ascii(label), seed);
  const blocks: Uint8Array[] = [];
  let a = labelled;
  for (let have = 0; have < length; have += 32) {
    a = crypto.hmacSha256(secret, a);
    blocks.push(crypto.hmacSha256(secret, concat(a, labelled)));
  }
  return concat(...blocks).slice(0, length);
}

/** What both sides have once the keys are exchanged. */
export class Secrets {
  readonly #crypto: DtlsCrypto;
  readonly #master: Uint8Array;
  readonly #clientRandom: Uint8Array;
  readonly #serverRandom: Uint8Array;

  /** @param sessionHash of the handshake through ClientKeyExchange; undefined without extended master secret. */
  constructor(
    crypto: DtlsCrypto,
    premaster: Uint8Array,
    clientRandom: Uint8Array,
    serverRandom: Uint8Array,
    sessionHash: Uint8Array | undefined,
  ) {
    this.#crypto = crypto;
    this.#clientRandom = clientRandom;
    this.#serverRandom = serverRandom;
    this.#master =
      sessionHash === undefined
        ? prf(crypto, premaster, 'master secret', concat(clientRandom, serverRandom), MASTER_SECRET_SIZE)
        : prf(crypto, premaster, 'extended master secret', sessionHash, MASTER_SECRET_SIZE);
  }

  trafficKeys(): TrafficKeys {
    const seed = concat(this.#serverRandom, this.#clientRandom);
    const block = prf(this.#crypto, this.#master, 'key expansion', seed, 2 * (KEY_SIZE + SALT_SIZE));
    const salts = 2 * KEY_SIZE;
    return {
      clientKey: block.subarray(0, KEY_SIZE),
      serverKey: block.subarray(KEY_SIZE, salts),
      clientSalt: block.subarray(salts, salts + SALT_SIZE),
      serverSalt: block.subarray(salts + SALT_SIZE),
    };
  }

  /** verify_data of Finished. */
  finished(side: 'client' | 'server', handshakeHash: Uint8Array): Uint8Array {
    return prf(this.#crypto, this.#master, `${side} finished`, handshakeHash, VERIFY_DATA_SIZE);
  }

  /** RFC 5705 section 4, without context. */
  exported(label: string, length: number): Uint8Array {
    return prf(this.#crypto, this.#master, label, concat(this.#clientRandom, this.#serverRandom), length);
  }
}
