import {
  type AmfObject,
  type AmfValue,
  amfProperty,
  decodeAmf,
  encodeAmf,
  isAmfObject,
} from '../amf0/amf0.ts';
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** A command message (RTMP 1.0 section 7.2): name, transaction id, command object, then arguments. */
export interface Command {
  name: string;
  /** 0 when no answer is expected. */
  transactionId: number;
  /** The command object; null for all commands but connect and its answer. */
  object: AmfValue;
  args: AmfValue[];
}

/** The payload of a CommandAmf0 message. */
export function encodeCommand(command: Command): Uint8Array {
  return encodeAmf([command.name, command.transactionId, command.object, ...command.args]);
}

/** AMF0 section 2.1.1: how a name begins. */
const stringMarker = 2;

/**
 * Reads the payload of a CommandAmf0 message, or of a CommandAmf3 message that is AMF0 behind its format byte 0.
 * @throws ProtocolError RtmpCommand without a name or transaction id, and all that decodeAmf throws.
 */
export function decodeCommand(payload: Uint8Array): Command {
  const behindFormat = payload[0] === 0 && payload[1] === stringMarker;
  const values = decodeAmf(behindFormat ? payload.subarray(1) : payload);
  const [name, transactionId, object, ...args] = values;
  if (typeof name !== 'string' || typeof transactionId !== 'number') {
    throw new ProtocolError(
      ProtocolErrorCode.RtmpCommand,
      'a command name (string) and a transaction id (number)',
      `${kindOf(name)} and ${kindOf(transactionId)}`,
    );
  }
  return { name, transactionId, object: object ?? null, args };
}

export interface ConnectOptions {
  app: string;
  tcUrl: string;
  /** Default 1, as the specification asks. */
  transactionId?: number;
  /** Further properties of the command object, or others in place of the defaults. */
  properties?: AmfObject;
  /** Arguments after the command object; an SRS edge puts srs_sig and its like here. */
  args?: AmfValue[];
}

/** connect (section 7.2.1.1), with the codec flags of a player that takes everything. */
export function connectCommand(options: ConnectOptions): Command {
  return {
    name: 'connect',
    transactionId: options.transactionId ?? 1,
    object: {
      app: options.app,
      flashVer: 'LNX 9,0,124,2',
      tcUrl: options.tcUrl,
      fpad: false,
      capabilities: 15,
      audioCodecs: 4071,
      videoCodecs: 252,
      videoFunction: 1,
      objectEncoding: 0,
      ...options.properties,
    },
    args: options.args ?? [],
  };
}

/** createStream (section 7.2.1.3); the answer's first argument is the message stream id. */
export function createStreamCommand(transactionId: number): Command {
  return command('createStream', transactionId);
}

/** releaseStream, FCPublish and FCUnpublish are Flash Media Server's own; publishers send them and do not need answers. */
export function releaseStreamCommand(transactionId: number, stream: string): Command {
  return command('releaseStream', transactionId, stream);
}

export function fcPublishCommand(transactionId: number, stream: string): Command {
  return command('FCPublish', transactionId, stream);
}

export function fcUnpublishCommand(transactionId: number, stream: string): Command {
  return command('FCUnpublish', transactionId, stream);
}

/** publish (section 7.2.2.6). */
export function publishCommand(
  transactionId: number,
  stream: string,
  type: 'live' | 'record' | 'append' = 'live',
): Command {
  return command('publish', transactionId, stream, type);
}

/**
 * play (section 7.2.2.1).
 * @param start seconds; -2 (the default of the specification) live, else recorded; -1 live only. Left out if undefined.
 */
export function playCommand(transactionId: number, stream: string, start?: number): Command {
  return start === undefined
    ? command('play', transactionId, stream)
    : command('play', transactionId, stream, start);
}

/** deleteStream (section 7.2.2.3); it has no answer. */
export function deleteStreamCommand(transactionId: number, messageStreamId: number): Command {
  return command('deleteStream', transactionId, messageStreamId);
}

/** The information object of onStatus and of results (section 7.2.2). */
export interface StatusInfo extends AmfObject {
  level: 'status' | 'warning' | 'error';
  /** For instance NetStream.Play.Start. */
  code: string;
  description: string;
}

/** onStatus (section 7.2.2): a server's word on a stream. */
export function onStatus(info: StatusInfo): Command {
  return command('onStatus', 0, info);
}

/** The positive answer to a command. */
export function result(transactionId: number, object: AmfValue, ...args: AmfValue[]): Command {
  return { name: '_result', transactionId, object, args };
}

/** The negative answer to a command. */
export function error(transactionId: number, object: AmfValue, ...args: AmfValue[]): Command {
  return { name: '_error', transactionId, object, args };
}

/** The code in the information object of a status, result or error: `NetConnection.Connect.Success` and its like. */
export function statusCodeOf(message: Command): string | undefined {
  const code = amfProperty(informationOf(message), 'code');
  return typeof code === 'string' ? code : undefined;
}

export interface Redirect {
  /** Where to go. */
  location: string;
  /** Whether the location names the stream too; if not, it ends with the application. */
  withStream: boolean;
}

const redirectCode = 302;

/**
 * Where a server sends the client, in either form; undefined when the command is not a redirect.
 * SRS: onStatus after play, level error, `ex.redirect2` with the stream, `ex.redirect` without it (see facts, RTMP 302).
 * Adobe: _error in answer to connect, `ex.code` 302 and `ex.redirect`.
 */
export function redirectOf(message: Command): Redirect | undefined {
  if (message.name !== 'onStatus' && message.name !== '_error') return undefined;
  const information = informationOf(message);
  if (message.name === 'onStatus' && amfProperty(information, 'level') !== 'error') return undefined;
  const extra = amfProperty(information, 'ex');
  if (message.name === '_error' && amfProperty(extra, 'code') !== redirectCode) return undefined;
  const whole = amfProperty(extra, 'redirect2');
  if (typeof whole === 'string' && whole !== '') return { location: whole, withStream: true };
  const location = amfProperty(extra, 'redirect');
  return typeof location === 'string' && location !== '' ? { location, withStream: false } : undefined;
}

/** The refusal of a connect that sends the client elsewhere, in Adobe's form. */
export function connectRedirectCommand(transactionId: number, location: string): Command {
  return error(transactionId, null, {
    level: 'error',
    code: 'NetConnection.Connect.Rejected',
    description: 'RTMP 302 Redirect',
    ex: { code: redirectCode, redirect: location },
  });
}

/** The answer to a play that sends the client elsewhere, in SRS's form. `location` names application and stream. */
export function playRedirectCommand(location: string): Command {
  // Parameters may hold slashes of their own.
  const path = location.split('?', 1)[0]!;
  return onStatus({
    level: 'error',
    code: 'NetConnection.Connect.Rejected',
    description: 'RTMP 302 Redirect',
    ex: { code: redirectCode, redirect: path.slice(0, path.lastIndexOf('/')), redirect2: location },
  });
}

/** Where the information object stands differs by sender: the first argument that is an object. */
function informationOf(message: Command): AmfValue {
  return message.args.find(isAmfObject);
}

function command(name: string, transactionId: number, ...args: AmfValue[]): Command {
  return { name, transactionId, object: null, args };
}

function kindOf(value: AmfValue): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}
