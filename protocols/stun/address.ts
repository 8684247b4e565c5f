/** Transport addresses in STUN attributes (RFC 8489 sections 14.1 and 14.2). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

export interface StunAddress {
  /** In dotted or colon notation (IPv6 without compression). */
  readonly address: string;
  readonly port: number;
}

const IPV4 = 1;
const IPV6 = 2;

/** The first bytes of the magic cookie and of the transaction id are what an address is hidden with. */
export const COOKIE_BYTES: Uint8Array = Uint8Array.of(0x21, 0x12, 0xa4, 0x42);

function mask(transactionId: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(COOKIE_BYTES);
  bytes.set(transactionId, 4);
  return bytes;
}

/** @throws ProtocolError StunAttribute */
export function decodeXorAddress(value: Uint8Array, transactionId: Uint8Array): StunAddress {
  const family = value[1];
  const length = family === IPV4 ? 4 : family === IPV6 ? 16 : Number.NaN;
  if (value.length !== 4 + length) {
    throw new ProtocolError(
      ProtocolErrorCode.StunAttribute,
      'an address of family 1 and 8 bytes, or 2 and 20',
      `family ${family ?? 'none'}, ${value.length} bytes`,
    );
  }
  const xor = mask(transactionId);
  const port = ((value[2]! ^ xor[0]!) << 8) | (value[3]! ^ xor[1]!);
  const plain = value.subarray(4).map((byte, at) => byte ^ xor[at]!);
  if (family === IPV4) return { address: plain.join('.'), port };
  const groups = Array.from({ length: 8 }, (_, i) => ((plain[2 * i]! << 8) | plain[2 * i + 1]!).toString(16));
  return { address: groups.join(':'), port };
}

/** @throws ProtocolError StunAttribute when it is neither an IPv4 nor an IPv6 address. */
export function encodeXorAddress({ address, port }: StunAddress, transactionId: Uint8Array): Uint8Array {
  const plain = address.includes(':') ? ipv6(address) : ipv4(address);
  const xor = mask(transactionId);
  const value = new Uint8Array(4 + plain.length);
  value[1] = plain.length === 4 ? IPV4 : IPV6;
  value[2] = (port >> 8) ^ xor[0]!;
  value[3] = (port & 0xff) ^ xor[1]!;
  for (let i = 0; i < plain.length; i++) value[4 + i] = plain[i]! ^ xor[i]!;
  return value;
}

function ipv4(address: string): number[] {
  const parts = address.split('.');
  const bytes = parts.map(Number);
  if (
    parts.length !== 4 ||
    !parts.every((part) => /^\d{1,3}$/.test(part)) ||
    bytes.some((byte) => byte > 255)
  ) {
    malformed(address);
  }
  return bytes;
}

function ipv6(address: string): number[] {
  const halves = address.split('::');
  const [head, tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const groups =
    tail === undefined
      ? head!
      : [...head!, ...Array(Math.max(0, 8 - head!.length - tail.length)).fill('0'), ...tail];
  if (halves.length > 2 || groups.length !== 8 || !groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) {
    malformed(address);
  }
  return groups.flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function malformed(address: string): never {
  throw new ProtocolError(ProtocolErrorCode.StunAttribute, 'an IP address', JSON.stringify(address));
}
