/** Why a handshake is rejected (draft-sharabayko-srt-01 table 7; codes from 1000 on: SRT access control). */
import { HandshakeType } from './handshake.ts';

export const RejectReason = {
  unknown: 0,
  system: 1,
  peer: 2,
  resource: 3,
  rogue: 4,
  backlog: 5,
  internal: 6,
  close: 7,
  version: 8,
  rendezvousCookie: 9,
  badSecret: 10,
  unsecure: 11,
  messageApi: 12,
  congestion: 13,
  filter: 14,
  group: 15,
  timeout: 16,
  crypto: 17,
  // Predefined codes for applications: 1000 and what HTTP says.
  badRequest: 1400,
  unauthorized: 1401,
  overload: 1402,
  forbidden: 1403,
  notFound: 1404,
  badMode: 1405,
  unacceptable: 1406,
  conflict: 1409,
  notSupportedMedia: 1415,
  locked: 1423,
  internalServerError: 1500,
  gateway: 1502,
  unavailable: 1503,
} as const;
export type RejectReason = (typeof RejectReason)[keyof typeof RejectReason];

const NAMES = new Map<number, string>(
  Object.entries(RejectReason).map(([name, reason]) => [
    reason,
    name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
  ]),
);

/** A stable slug, such as `bad-secret`; the number where it has no name. */
export function rejectionName(reason: number): string {
  return NAMES.get(reason) ?? String(reason);
}

/** On the wire a rejection is a handshake type: 1000 and the reason. undefined when `type` is none. */
export function rejectionOf(type: number): number | undefined {
  return type >= HandshakeType.failure && type < 0x80000000 ? type - HandshakeType.failure : undefined;
}
