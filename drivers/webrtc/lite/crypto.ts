/** The cryptography that DTLS, SRTP and STUN want, by node:crypto, and the certificate of this process. */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto';
import { formatFingerprint, selfSignedCertificate } from '../../../protocols/dtls/certificate.ts';
import { NamedGroup, SignatureScheme } from '../../../protocols/dtls/constants.ts';
import type { Aead, DtlsCrypto, DtlsIdentity, KeyShare } from '../../../protocols/dtls/crypto.ts';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import type { SrtpCrypto } from '../../../protocols/srtp/transform.ts';

const TAG_SIZE = 16;
const DAY_MS = 86_400_000;
const VALIDITY_MS = 30 * DAY_MS;
/** What stands before the 32 bytes of an X25519 public key in a SubjectPublicKeyInfo (RFC 8410 section 4). */
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const X25519_SIZE = 32;

/** A cluster has a certificate per server. */
const MAX_KEYS = 64;
const publicKeys = new Map<string, KeyObject>();

function publicKeyOf(certificate: Uint8Array): KeyObject {
  const name = Buffer.from(certificate.buffer, certificate.byteOffset, certificate.length).toString('latin1');
  let key = publicKeys.get(name);
  if (key !== undefined) return key;
  try {
    key = new X509Certificate(certificate).publicKey;
  } catch (error) {
    throw new ProtocolError(ProtocolErrorCode.DtlsCertificate, 'an X.509 certificate', String(error));
  }
  if (publicKeys.size >= MAX_KEYS) publicKeys.clear();
  publicKeys.set(name, key);
  return key;
}

function verifySignature(
  certificate: Uint8Array,
  scheme: SignatureScheme,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const key = publicKeyOf(certificate);
  if (key.asymmetricKeyType !== (scheme === SignatureScheme.ecdsaSha256 ? 'ec' : 'rsa')) return false;
  if (scheme !== SignatureScheme.rsaPssSha256) return verify('sha256', data, key, signature);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return verify('sha256', data, { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, signature);
}

function aes128Gcm(key: Uint8Array): Aead {
  return {
    seal(nonce, additional, plain) {
      const cipher = createCipheriv('aes-128-gcm', key, nonce);
      cipher.setAAD(additional);
      return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(nonce, additional, sealed) {
      const decipher = createDecipheriv('aes-128-gcm', key, nonce, { authTagLength: TAG_SIZE });
      decipher.setAAD(additional);
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_SIZE));
      const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_SIZE));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      return plain;
    },
  };
}

function keyShare(group: NamedGroup): KeyShare {
  const share = group === NamedGroup.x25519 ? x25519() : p256();
  return {
    publicKey: share.publicKey,
    derive(peer) {
      try {
        return share.derive(peer);
      } catch (error) {
        throw new ProtocolError(ProtocolErrorCode.DtlsHandshake, 'a public key of the group', String(error));
      }
    },
  };
}

function x25519(): KeyShare {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).subarray(X25519_SPKI.length),
    derive(peer) {
      if (peer.length !== X25519_SIZE) throw new RangeError(`${peer.length} bytes`);
      const spki = Buffer.concat([X25519_SPKI, peer]);
      return diffieHellman({
        privateKey,
        publicKey: createPublicKey({ key: spki, format: 'der', type: 'spki' }),
      });
    },
  };
}

function p256(): KeyShare {
  const ecdh = createECDH('prime256v1');
  return { publicKey: ecdh.generateKeys(), derive: (peer) => ecdh.computeSecret(peer) };
}

export const nodeCrypto: DtlsCrypto = {
  random: (length) => randomBytes(length),
  // One call for all: each costs more than to copy what a handshake has said.
  sha256: (parts) => createHash('sha256').update(Buffer.concat(parts)).digest(),
  hmacSha256: (key, data) => createHmac('sha256', key).update(data).digest(),
  fingerprint: (hash, certificate) => createHash(hash.replace('-', '')).update(certificate).digest(),
  aes128Gcm,
  keyShare,
  verify: verifySignature,
};

/** Handshakes that take one P-256 key. Browsers make one for each; thousands of players need not, as with certificates. */
const SHARE_USES = 100;
let shared: { readonly share: KeyShare; uses: number } | undefined;

function sharedKeyShare(group: NamedGroup): KeyShare {
  if (group !== NamedGroup.secp256r1) return keyShare(group);
  if (shared === undefined || shared.uses === SHARE_USES) shared = { share: keyShare(group), uses: 0 };
  shared.uses++;
  return shared.share;
}

/** For players by the thousand. */
export const playersCrypto: DtlsCrypto = { ...nodeCrypto, keyShare: sharedKeyShare };

/** For long packets; short ones cost less in protocols/srtp itself. */
export const nodeSrtpCrypto: SrtpCrypto = {
  aes128Ecb(key) {
    const cipher = createCipheriv('aes-128-ecb', key, null).setAutoPadding(false);
    return (blocks) => cipher.update(blocks);
  },
  hmacSha1: (key, bytes, suffix) => createHmac('sha1', key).update(bytes).update(suffix).digest(),
  aes128Gcm,
};

/** For STUN. */
export const hmacSha1 = (key: Uint8Array, data: Uint8Array): Uint8Array =>
  createHmac('sha1', key).update(data).digest();

export interface LocalIdentity extends DtlsIdentity {
  /** sha-256, as in `a=fingerprint`. */
  readonly fingerprint: string;
}

/** A new key and its certificate, valid from yesterday for 30 days. */
export function createIdentity(now = Date.now()): LocalIdentity {
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
  const privateKey = createPrivateKey({ key: pair.privateKey, format: 'der', type: 'pkcs8' });
  const signData = (data: Uint8Array): Uint8Array => sign('sha256', data, privateKey);
  const serial = randomBytes(16);
  serial[0] = 0x01 | (serial[0]! & 0x7f);
  const certificate = selfSignedCertificate(
    {
      publicKey: pair.publicKey,
      serial,
      commonName: 'liveproof',
      notBefore: now - DAY_MS,
      notAfter: now + VALIDITY_MS,
    },
    signData,
  );
  const fingerprint = formatFingerprint(nodeCrypto.fingerprint('sha-256', certificate));
  return { certificate, sign: signData, fingerprint };
}

let own: LocalIdentity | undefined;

/** That of this process, made once: browsers have one per connection, but thousands of players need not. */
export function identityOfProcess(): LocalIdentity {
  own ??= createIdentity();
  return own;
}
