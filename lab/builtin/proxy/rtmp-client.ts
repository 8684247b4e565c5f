/** The proxy's side of one RTMP client until play or publish: handshake, and answers to what comes before (RTMP 1.0). */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { AmfValue } from '../../../protocols/amf0/amf0.ts';
import { ProtocolError, ProtocolErrorCode } from '../../../protocols/errors.ts';
import { ChunkWriter } from '../../../protocols/rtmp/chunk-writer.ts';
import { type Command, decodeCommand, encodeCommand } from '../../../protocols/rtmp/commands.ts';
import { type HandshakeForm, ServerHandshake } from '../../../protocols/rtmp/handshake.ts';
import type { Message } from '../../../protocols/rtmp/message-assembler.ts';
import {
  AcknowledgementWindow,
  ChunkStreamId,
  decodeControlValue,
  decodeUserControl,
  encodeAck,
  encodeSetPeerBandwidth,
  encodeUserControl,
  encodeWindowAckSize,
  MessageTypeId,
  UserControlEvent,
} from '../../../protocols/rtmp/messages.ts';
import { API_VERSION, MESSAGE_STREAM_ID, SERVER_NAME, WINDOW_ACK_SIZE } from '../constants.ts';
import { hmacSha256 } from '../rtmp-connection.ts';
import { isCommand } from './rtmp-backend.ts';

/** Commands between connect and play or publish: encoders send four. */
const MAX_COMMANDS = 32;
const MAX_COMMAND_BYTES = 64 * 1024;
/** Answers that the client does not take: all that it needs before play or publish are a few kB. */
const MAX_UNREAD_BYTES = 256 * 1024;
/** SRS answers these; players that send others do not wait. */
const ANSWERED = new Set(['createStream', 'releaseStream', 'FCPublish']);

export class RtmpClient {
  readonly #socket: Socket;
  readonly #onRequest: (request: Command) => void;
  /** Until it is done. */
  #handshake: ServerHandshake | undefined = new ServerHandshake({
    random: (n) => randomBytes(n),
    hmac: hmacSha256,
  });
  #connect: Command | undefined;
  #bytes = 0;
  /** connect, what came after it, and at last play or publish. */
  readonly commands: Message[] = [];
  createStreamId: number | undefined;
  form: HandshakeForm = 'simple';
  /** Of what is written to the client until chunks are relayed. */
  readonly writer = new ChunkWriter();
  /** What the client wants to be acknowledged. */
  readonly window = new AcknowledgementWindow();

  /** @param onRequest play or publish has come. */
  constructor(socket: Socket, onRequest: (request: Command) => void) {
    this.#socket = socket;
    this.#onRequest = onRequest;
  }

  get shaken(): boolean {
    return this.#handshake === undefined;
  }

  /** Once `onRequest` has been called. */
  get connectCommand(): Command {
    return this.#connect!;
  }

  /** Returns where chunks begin. */
  shakeHands(bytes: Buffer): number {
    const { consumed, send, done } = this.#handshake!.push(bytes, 0, bytes.length);
    if (send) this.#socket.write(send);
    if (done) {
      this.form = this.#handshake!.form ?? 'simple';
      this.#handshake = undefined;
    }
    return consumed;
  }

  acknowledge(bytes: number): void {
    const due = this.window.received(bytes);
    if (due !== undefined) this.#control(MessageTypeId.Acknowledgement, encodeAck(due));
  }

  onMessage(message: Message): void {
    if (message.messageTypeId === MessageTypeId.WindowAckSize) {
      this.window.size = decodeControlValue(message.payload);
    } else if (message.messageTypeId === MessageTypeId.UserControl) {
      const { event, a } = decodeUserControl(message.payload);
      if (event === UserControlEvent.PingRequest) {
        this.#control(MessageTypeId.UserControl, encodeUserControl(UserControlEvent.PingResponse, a));
      }
    } else if (isCommand(message)) this.#onCommand(message, decodeCommand(message.payload));
  }

  /** A level error on the stream: what players and encoders show. */
  refuse(information: { readonly code: string; readonly description: string }): void {
    this.command(ChunkStreamId.StreamCommand, MESSAGE_STREAM_ID, {
      name: 'onStatus',
      transactionId: 0,
      object: null,
      args: [{ level: 'error', ...information }],
    });
  }

  command(chunkStreamId: number, messageStreamId: number, command: Command): void {
    this.#send(chunkStreamId, MessageTypeId.CommandAmf0, messageStreamId, encodeCommand(command));
  }

  #onCommand(message: Message, command: Command): void {
    const { name, transactionId } = command;
    if (!this.#connect && name !== 'connect') {
      throw new ProtocolError(ProtocolErrorCode.RtmpCommand, 'connect as the first command', name);
    }
    this.#keep(message, name);
    if (name === 'connect') this.#onConnect(command);
    else if (name === 'createStream') this.createStreamId = transactionId;
    if (ANSWERED.has(name))
      this.#result(transactionId, name === 'createStream' ? MESSAGE_STREAM_ID : undefined);
    if (name !== 'play' && name !== 'publish') return;
    if (this.createStreamId === undefined) {
      throw new ProtocolError(ProtocolErrorCode.RtmpCommand, `createStream before ${name}`, name);
    }
    this.#onRequest(command);
  }

  #keep(message: Message, name: string): void {
    this.#bytes += message.payload.length;
    if (this.commands.length >= MAX_COMMANDS || this.#bytes > MAX_COMMAND_BYTES) {
      throw new ProtocolError(
        ProtocolErrorCode.RtmpCommand,
        `play or publish within ${MAX_COMMANDS} commands of ${MAX_COMMAND_BYTES} bytes`,
        name,
      );
    }
    this.commands.push(message);
  }

  #onConnect(command: Command): void {
    if (this.#connect) throw new ProtocolError(ProtocolErrorCode.RtmpCommand, 'connect once', 'again');
    this.#connect = command;
    this.#control(MessageTypeId.WindowAckSize, encodeWindowAckSize(WINDOW_ACK_SIZE));
    this.#control(MessageTypeId.SetPeerBandwidth, encodeSetPeerBandwidth(WINDOW_ACK_SIZE));
    // No chunk size yet: it will be the origin's. ffmpeg sends with the size that it is told, and nginx-rtmp (seen with
    // 1.22) loses its place when a size becomes smaller while more is on its way.
    const server = { version: '3,5,3,888', srs_sig: SERVER_NAME, srs_version: API_VERSION.version };
    this.command(ChunkStreamId.Command, 0, {
      name: '_result',
      transactionId: command.transactionId,
      object: { fmsVer: 'FMS/3,5,3,888', capabilities: 127, mode: 1 },
      args: [
        {
          level: 'status',
          code: 'NetConnection.Connect.Success',
          description: 'Connection succeeded',
          objectEncoding: 0,
          data: server,
        },
      ],
    });
  }

  #result(transactionId: number, value: AmfValue): void {
    this.command(ChunkStreamId.Command, 0, { name: '_result', transactionId, object: null, args: [value] });
  }

  #control(messageTypeId: number, payload: Uint8Array): void {
    this.#send(ChunkStreamId.Control, messageTypeId, 0, payload);
  }

  #send(chunkStreamId: number, messageTypeId: number, messageStreamId: number, payload: Uint8Array): void {
    if (!this.#socket.writable) return;
    this.#socket.write(this.writer.encode(chunkStreamId, messageTypeId, messageStreamId, 0, payload));
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#socket.destroy();
  }
}
