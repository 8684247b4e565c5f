/** UDP payloads of a capture of libpcap's classic format, Ethernet and IPv4. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Datagram {
  readonly from: number;
  readonly to: number;
  /** In ms. */
  readonly at: number;
  readonly payload: Uint8Array;
}

const ETHERNET = 14;
const UDP_HEADER = 8;

export function readPcap(file: string): Datagram[] {
  const bytes = readFileSync(file);
  if (bytes.readUInt32LE(0) !== 0xa1b2c3d4) throw new Error(`${file} is no pcap file`);
  const found: Datagram[] = [];
  for (let at = 24; at < bytes.length; ) {
    const seconds = bytes.readUInt32LE(at);
    const microseconds = bytes.readUInt32LE(at + 4);
    const length = bytes.readUInt32LE(at + 8);
    const ip = at + 16 + ETHERNET;
    const udp = ip + 4 * (bytes[ip]! & 0x0f);
    found.push({
      from: bytes.readUInt16BE(udp),
      to: bytes.readUInt16BE(udp + 2),
      at: seconds * 1000 + microseconds / 1000,
      payload: new Uint8Array(bytes.subarray(udp + UDP_HEADER, at + 16 + length)),
    });
    at += 16 + length;
  }
  return found;
}

/** One of those under fixtures/captures/srt. */
export function capture(name: string): Datagram[] {
  return readPcap(join(import.meta.dirname, '../../../fixtures/captures/srt', name));
}
