/** What RTMP players and publishers do alike: handshake, control messages, commands, redirects. */
import { createHmac, randomBytes } from 'node:crypto';
import { type AmfValue, amfProperty, isAmfObject } from '../../protocols/amf0/amf0.ts';
import { ChunkReader, type ChunkSink, type MessageHeader } from '../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import {
  type Command,
  connectCommand,
  createStreamCommand,
  decodeCommand,
  encodeCommand,
  redirectOf,
} from '../../protocols/rtmp/commands.ts';
import { ClientHandshake } from '../../protocols/rtmp/handshake.ts';
import { type Message, MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import {
  AcknowledgementWindow,
  ChunkStreamId,
  decodeControlValue,
  decodeUserControl,
  encodeAck,
  encodeUserControl,
  MessageTypeId,
  UserControlEvent,
} from '../../protocols/rtmp/messages.ts';
import { parseRtmpUrl, type RtmpUrl } from '../../protocols/rtmp/url.ts';
import { ClientState, CloseReason } from '../client.ts';
import { ConnectedClient, type Target } from '../connection.ts';

/** Of the connect command; later commands count up from it. */
const CONNECT_TRANSACTION = 1;
/** A server that asks and does not read what it is told is not answered beyond this, in bytes with the media that waits. */
const MAX_UNREAD = 2 * 1024 * 1024;

function hmac(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(data).digest();
}

export abstract class RtmpClient extends ConnectedClient implements ChunkSink {
  protected target: RtmpUrl | undefined = undefined;
  protected writer = new ChunkWriter();
  /** Assigned by the answer to createStream. */
  protected messageStreamId = 0;
  private handshake: ClientHandshake | undefined = undefined;
  private reader: ChunkReader | undefined = undefined;
  private assembler: MessageAssembler;
  private transaction = CONNECT_TRANSACTION;
  private createStreamTransaction = 0;
  private window = new AcknowledgementWindow();

  constructor(...args: ConstructorParameters<typeof ConnectedClient>) {
    super(...args);
    this.assembler = this.newAssembler();
  }

  /** Connect was accepted: the commands up to play or publish. */
  protected abstract onConnected(): void;
  protected abstract onStreamCreated(): void;
  /** An onStatus of level `status`. */
  protected abstract onStatus(code: string): void;
  /** A complete message of a type that the base does not handle itself. */
  protected abstract onOther(message: Message): void;

  protected override prepare(location: string): Target {
    this.target = parseRtmpUrl(location);
    this.handshake = undefined;
    this.reader = undefined;
    this.writer = new ChunkWriter();
    this.messageStreamId = 0;
    this.transaction = CONNECT_TRANSACTION;
    this.window = new AcknowledgementWindow();
    return { host: this.target.host, port: this.target.port, tls: false };
  }

  private newAssembler(): MessageAssembler {
    return new MessageAssembler((message) => this.onMessage(message));
  }

  protected override connected(): void {
    this.handshake = new ClientHandshake({
      form: this.options.handshake ?? 'simple',
      random: randomBytes,
      hmac,
    });
    this.write(this.handshake.start());
    this.enter(ClientState.handshaking);
  }

  protected override received(bytes: Uint8Array, end: number): void {
    let start = 0;
    if (this.handshake !== undefined) {
      const progress = this.handshake.push(bytes, 0, end);
      if (progress.send !== undefined) this.write(progress.send);
      if (!progress.done) return;
      start = progress.consumed;
      this.handshake = undefined;
      this.timing.handshake = this.now;
      this.assembler = this.newAssembler();
      this.reader = new ChunkReader(this);
      const { app, tcUrl } = this.target!;
      this.command(0, connectCommand({ app, tcUrl }));
      this.enter(ClientState.requesting);
    }
    if (start === end || this.reader === undefined) return;
    this.reader.push(bytes, start, end);
    const sequence = this.window.received(end - start);
    if (sequence !== undefined) this.reply(MessageTypeId.Acknowledgement, encodeAck(sequence));
  }

  protected control(messageTypeId: number, payload: Uint8Array): void {
    this.write(this.writer.encode(ChunkStreamId.Control, messageTypeId, 0, 0, payload));
  }

  private reply(messageTypeId: number, payload: Uint8Array): void {
    if ((this.socket?.writableLength ?? 0) < MAX_UNREAD) this.control(messageTypeId, payload);
  }

  protected nextTransaction(): number {
    return ++this.transaction;
  }

  protected createStream(): void {
    this.createStreamTransaction = this.nextTransaction();
    this.command(0, createStreamCommand(this.createStreamTransaction));
  }

  protected command(messageStreamId: number, command: Command): void {
    const chunkStreamId = messageStreamId === 0 ? ChunkStreamId.Command : ChunkStreamId.StreamCommand;
    this.write(
      this.writer.encode(
        chunkStreamId,
        MessageTypeId.CommandAmf0,
        messageStreamId,
        0,
        encodeCommand(command),
      ),
    );
  }

  onMessageBegin(message: MessageHeader): void {
    this.assembler.onMessageBegin(message);
  }

  onMessagePayload(message: MessageHeader, bytes: Uint8Array, start: number, end: number): void {
    this.assembler.onMessagePayload(message, bytes, start, end);
  }

  onMessageEnd(message: MessageHeader): void {
    this.assembler.onMessageEnd(message);
  }

  onMessageAbort(message: MessageHeader): void {
    this.assembler.onMessageAbort(message);
  }

  private onMessage(message: Message): void {
    // After a redirect or a close, the rest of what was read is nobody's.
    if (this.state !== ClientState.requesting && this.state !== ClientState.streaming) return;
    switch (message.messageTypeId) {
      case MessageTypeId.WindowAckSize:
        this.window.size = decodeControlValue(message.payload);
        return;
      case MessageTypeId.UserControl: {
        const event = decodeUserControl(message.payload);
        if (event.event === UserControlEvent.PingRequest) {
          this.reply(MessageTypeId.UserControl, encodeUserControl(UserControlEvent.PingResponse, event.a));
        }
        return;
      }
      case MessageTypeId.CommandAmf0:
      case MessageTypeId.CommandAmf3:
        this.onCommand(decodeCommand(message.payload));
        return;
      default:
        this.onOther(message);
    }
  }

  private onCommand(command: Command): void {
    const redirect = redirectOf(command);
    if (redirect !== undefined) {
      const { location, withStream } = redirect;
      this.follow(withStream ? location : `${location.replace(/\/$/, '')}/${this.target!.stream}`);
      return;
    }
    if (command.name === '_result') this.onResult(command);
    else if (command.name === '_error') this.refused(command);
    else if (command.name === 'onStatus') {
      if (property(command, 'level') === 'error') this.refused(command);
      else this.onStatus(property(command, 'code') ?? '');
    }
  }

  private onResult(command: Command): void {
    if (this.state !== ClientState.requesting) return;
    if (command.transactionId === CONNECT_TRANSACTION) {
      this.timing.connect = this.now;
      this.onConnected();
    } else if (command.transactionId === this.createStreamTransaction && this.messageStreamId === 0) {
      const id = command.args[0];
      if (typeof id !== 'number') {
        this.fail(CloseReason.rejected, 'rtmp.create-stream', `_result of createStream without a stream id`);
        return;
      }
      this.messageStreamId = id;
      this.onStreamCreated();
    }
  }

  private refused(command: Command): void {
    // FMLE's releaseStream and FCPublish may be refused by servers that do not know them: nothing depends on them.
    const known =
      command.name === 'onStatus' ||
      command.transactionId === CONNECT_TRANSACTION ||
      command.transactionId === this.createStreamTransaction;
    if (!known) return;
    const code = property(command, 'code') ?? command.name;
    this.fail(CloseReason.rejected, code, property(command, 'description') ?? `the server answered ${code}`);
  }

  /** Media may flow from here on. */
  protected streaming(): boolean {
    if (this.state !== ClientState.requesting) return false;
    this.timing.play = this.now;
    this.enter(ClientState.streaming);
    return this.isOpen();
  }

  /** False when an observer closed the client while it was told of a state. */
  private isOpen(): boolean {
    return this.state !== ClientState.closed;
  }
}

/** A property of the information object, wherever the server put that. */
function property(command: Command, name: string): string | undefined {
  const information: AmfValue = command.args.find(isAmfObject);
  const value = amfProperty(information, name);
  return typeof value === 'string' ? value : undefined;
}
