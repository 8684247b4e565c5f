/** What a packet of SRT or WebRTC says, in one line. */
import type { PacketForm } from '../drivers/client.ts';
import { ContentType, HandshakeType as DtlsHandshakeType, nameOf } from '../protocols/dtls/constants.ts';
import { type DtlsRecord, isDtls, recordsOf } from '../protocols/dtls/record.ts';
import { isRtcp, RtpPacket, uint32 } from '../protocols/rtp/packet.ts';
import { type OtherRtcp, parseRtcp, type RtcpMessage, RtcpType } from '../protocols/rtp/rtcp.ts';
import { decodeAck, decodeDropRequest, readLossReport } from '../protocols/srt/control.ts';
import { decodeHandshake, HandshakeType } from '../protocols/srt/handshake.ts';
import {
  ControlType,
  type DataPacket,
  decodePacket,
  HEADER_SIZE,
  informationOf,
  KeyFlag,
} from '../protocols/srt/packet.ts';
import { rejectionName, rejectionOf } from '../protocols/srt/rejection.ts';
import { decodeStun, isStun, StunClass, StunMethod } from '../protocols/stun/message.ts';
import { maskSecrets } from '../reports/secrets.ts';

/** Of a list, in its line. */
const MAX_LISTED = 8;
/** In front of a stream id of keys and values (SRT access control guidelines). */
const KEYED = '#!::';
/** RFC 3550 section 5.1. */
const PADDING_BIT = 0x20;

/**
 * Never throws: what cannot be read says why.
 * @param length of the packet on the wire; `bytes` may be its beginning.
 */
export function packetWords(form: PacketForm, bytes: Uint8Array, length = bytes.length): string {
  try {
    const words = form === 'srt' ? srt(bytes, length) : form === 'rtp' ? plain(bytes) : webrtc(bytes, length);
    return printable(words);
  } catch (error) {
    return printable(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const printable = (words: string): string => words.replace(/[^\x20-\x7e\u00a0-\uffff]/g, '.');
const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;
/** `keepAlive` as `keep alive`. */
const spoken = (names: Readonly<Record<string, number>>, value: number): string =>
  nameOf(names, value).replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
const listed = (items: readonly (number | string)[]): string =>
  items.length <= MAX_LISTED
    ? items.join(', ')
    : `${items.slice(0, MAX_LISTED).join(', ')} and ${items.length - MAX_LISTED} more`;

function srt(bytes: Uint8Array, length: number): string {
  const packet = decodePacket(bytes);
  const where = `at ${packet.timestamp} us to ${hex(packet.destination)}`;
  if (packet.kind === 'data') return `SRT data ${where}: ${srtData(packet, length)}`;
  const { type, subtype } = packet;
  const name = spoken(ControlType, type);
  const said = type === ControlType.userDefined ? `, subtype ${subtype}` : srtControl(type, bytes);
  return `SRT ${name} ${where}${said}`;
}

function srtData({ sequence, message, key, retransmitted }: DataPacket, length: number): string {
  return [
    `sequence ${sequence}, message ${message}, ${length - HEADER_SIZE} bytes of payload`,
    ...(key === KeyFlag.none ? [] : [`encrypted with the ${nameOf(KeyFlag, key)} key`]),
    ...(retransmitted ? ['retransmitted'] : []),
  ].join(', ');
}

function srtControl(type: number, bytes: Uint8Array): string {
  switch (type) {
    case ControlType.handshake:
      return `: ${srtHandshake(bytes)}`;
    case ControlType.ack: {
      const { number, next, rtt } = decodeAck(bytes);
      return `: number ${number}, all before ${next}${rtt === undefined ? '' : `, RTT ${rtt} us`}`;
    }
    case ControlType.nak: {
      const ranges: string[] = [];
      readLossReport(bytes, (first, last) => ranges.push(first === last ? `${first}` : `${first}-${last}`));
      return `: ${listed(ranges)}`;
    }
    case ControlType.ackAck:
      return `: number ${informationOf(bytes)}`;
    case ControlType.dropRequest: {
      const { first, last } = decodeDropRequest(bytes);
      return `: ${first} to ${last}`;
    }
    default:
      return '';
  }
}

function srtHandshake(bytes: Uint8Array): string {
  const { type, version, encryption, initialSequence, flowWindow, socketId, cookie, hs, km, streamId } =
    decodeHandshake(bytes);
  const reason = rejectionOf(type);
  return [
    reason === undefined ? spoken(HandshakeType, type) : `rejected (${rejectionName(reason)})`,
    `version ${version}, socket ${hex(socketId)}, cookie ${hex(cookie)}`,
    `initial sequence ${initialSequence}, flow window ${flowWindow}`,
    ...(encryption === 0 ? [] : [`keys of ${8 * encryption} bytes`]),
    ...(hs === undefined
      ? []
      : [
          `${hs.response ? 'HSRSP' : 'HSREQ'} of ${hex(hs.version)}, flags ${hex(hs.flags)}, ` +
            `latency ${hs.receiverDelay} ms in and ${hs.senderDelay} ms out`,
        ]),
    ...(km === undefined ? [] : [`${km.response ? 'KMRSP' : 'KMREQ'} of ${km.content.length} bytes`]),
    ...(streamId === undefined ? [] : [`stream id ${JSON.stringify(maskedStreamId(streamId))}`]),
  ].join(', ');
}

/** The first key has no separator before it. */
function maskedStreamId(streamId: string): string {
  if (!streamId.startsWith(KEYED)) return maskSecrets(streamId);
  return KEYED + maskSecrets(`,${streamId.slice(KEYED.length)}`).slice(1);
}

/** One datagram of a bundle: told apart as in RFC 7983 section 7. */
function webrtc(bytes: Uint8Array, length: number): string {
  if (isStun(bytes)) return stun(bytes);
  if (isDtls(bytes)) return `DTLS ${listed([...recordsOf(bytes)].map(record))}`;
  if (bytes.length < 2 || bytes[0]! >> 6 !== 2) return 'not STUN, DTLS, SRTP or SRTCP';
  if (!isRtcp(bytes)) return `S${rtp(bytes, length, ' and tag')}`;
  // RFC 3711 section 3.4: all but the first eight bytes is encrypted.
  const source = bytes.length < 8 ? '' : `, SSRC ${hex(uint32(bytes, 4))}`;
  return `SRTCP ${spoken(RtcpType, bytes[1]!)}${source}, the rest is encrypted`;
}

function stun(bytes: Uint8Array): string {
  const message = decodeStun(bytes);
  const { errorCode, xorMappedAddress: mapped, username, priority } = message;
  return [
    `STUN ${spoken(StunMethod, message.method)} ${spoken(StunClass, message.class)}`,
    ...(username === undefined ? [] : [`username ${JSON.stringify(username)}`]),
    ...(priority === undefined ? [] : [`priority ${priority}`]),
    ...(message.useCandidate ? ['use-candidate'] : []),
    ...(message.iceControlling === undefined ? [] : ['controlling']),
    ...(message.iceControlled === undefined ? [] : ['controlled']),
    ...(mapped === undefined ? [] : [`mapped address ${mapped.address}:${mapped.port}`]),
    ...(errorCode === undefined ? [] : [`error ${errorCode.code} ${errorCode.reason}`]),
    ...(message.integrityAt < 0 ? ['no integrity'] : []),
  ].join(', ');
}

/** From epoch 1 on fragments are encrypted. */
function record({ type, epoch, sequence, fragment }: DtlsRecord): string {
  const [first] = fragment;
  const message =
    type === ContentType.handshake && epoch === 0 && first !== undefined
      ? ` ${spoken(DtlsHandshakeType, first)}`
      : '';
  const size = `${fragment.length} bytes${epoch === 0 ? '' : ' encrypted'}`;
  return `${spoken(ContentType, type)}${message} (epoch ${epoch}, record ${sequence}, ${size})`;
}

function plain(bytes: Uint8Array): string {
  return isRtcp(bytes) ? `RTCP ${parseRtcp(bytes).map(report).join('; ')}` : rtp(bytes, bytes.length);
}

const packet = new RtpPacket();

/** @param behind what else is within the size of the payload. */
function rtp(bytes: Uint8Array, length: number, behind = ''): string {
  const header = bytes.slice();
  // Its size stands at the end, which may be encrypted, or not be kept.
  header[0] = header[0]! & ~PADDING_BIT;
  packet.read(header);
  const { payloadType, sequence, timestamp, marker, ssrc, payloadStart } = packet;
  return (
    `RTP payload type ${payloadType}, sequence ${sequence}, timestamp ${timestamp}, ` +
    `${marker ? 'marker, ' : ''}SSRC ${hex(ssrc)}, ${length - payloadStart} bytes of payload${behind}`
  );
}

function report(message: RtcpMessage | OtherRtcp): string {
  switch (message.type) {
    case 'sender-report':
      return (
        `sender report of ${hex(message.ssrc)}: timestamp ${message.rtpTimestamp}, ` +
        `${message.packets} packets, ${message.octets} bytes`
      );
    case 'receiver-report': {
      const blocks = message.reports.map(
        ({ ssrc, lost, highestSequence }) => `${hex(ssrc)} lost ${lost}, up to ${highestSequence}`,
      );
      return `receiver report of ${hex(message.ssrc)}${blocks.length === 0 ? '' : `: ${listed(blocks)}`}`;
    }
    case 'source-description':
      return `source description of ${listed(message.chunks.map(({ ssrc }) => hex(ssrc)))}`;
    case 'goodbye':
      return `goodbye of ${listed(message.ssrcs.map(hex))}`;
    case 'nack':
      return `NACK for ${hex(message.mediaSsrc)}: ${listed(message.sequences)}`;
    case 'picture-loss':
      return `PLI for ${hex(message.mediaSsrc)}`;
    case 'full-intra-request':
      return `FIR for ${listed(message.mediaSsrcs.map(hex))}`;
    case 'other':
      return `type ${message.packetType}, format ${message.format}`;
  }
}
