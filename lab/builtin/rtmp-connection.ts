/** The server's side of one RTMP connection: handshake, commands, then publishing or playing (RTMP 1.0). */
import { createHmac, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { inspect } from 'node:util';
import { type AmfValue, amfProperty, encodeAmf } from '../../protocols/amf0/amf0.ts';
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import { ChunkReader } from '../../protocols/rtmp/chunk-reader.ts';
import { ChunkWriter } from '../../protocols/rtmp/chunk-writer.ts';
import { type Command, decodeCommand, encodeCommand, onStatus } from '../../protocols/rtmp/commands.ts';
import { ServerHandshake } from '../../protocols/rtmp/handshake.ts';
import { type Message, MessageAssembler } from '../../protocols/rtmp/message-assembler.ts';
import {
  AcknowledgementWindow,
  decodeControlValue,
  decodeUserControl,
  encodeAck,
  encodeSetChunkSize,
  encodeSetPeerBandwidth,
  encodeUserControl,
  encodeWindowAckSize,
  MessageTypeId,
  UserControlEvent,
} from '../../protocols/rtmp/messages.ts';
import { type ClientRecord, type ClientType, randomId } from './clients.ts';
import { closeSoon } from './close-soon.ts';
import { API_VERSION, CHUNK_SIZE, MESSAGE_STREAM_ID, SERVER_NAME, WINDOW_ACK_SIZE } from './constants.ts';
import { DefectiveChunkSink, misreadsChunks } from './defective-chunks.ts';
import { isMedia } from './media-message.ts';
import type { MediaNode } from './node.ts';
import type { Player } from './player.ts';
import { askElsewhere } from './redirect.ts';
import { requestUrl } from './request-url.ts';
import type { Publication, PublishRequest } from './role.ts';
import type { Stream } from './stream.ts';
import { type StreamName, streamName } from './stream-name.ts';

/** SRS's chunk streams: 2 control, 3 over the connection, 5 over a stream. */
const CHUNK_STREAM = { control: 2, connection: 3, stream: 5 } as const;
/** "Dynamic" in RTMP 1.0 section 5.4.5. */
const LIMIT_DYNAMIC = 2;

/** Mutant `origin-loses-slow-publisher`. */
const LOST_AFTER_MS = 3000;
/** Mutant `rtmp-unknown-command-ends-play`: two merged writes of the gate's clusters. */
const LAST_WORDS_MS = 200;
/** A peer that asks and never reads the answers is given up. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;

const State = {
  handshake: 'handshake',
  connecting: 'connecting',
  connected: 'connected',
  playing: 'playing',
  publishing: 'publishing',
  /** Sent elsewhere; whatever the player says now ends the connection. */
  redirected: 'redirected',
  closed: 'closed',
} as const;
type State = (typeof State)[keyof typeof State];

export class RtmpConnection {
  readonly #node: MediaNode;
  readonly #socket: Socket;
  /** Until it is done. */
  #handshake: ServerHandshake | undefined;
  readonly #reader: ChunkReader;
  readonly #writer = new ChunkWriter();
  #state: State = State.handshake;
  #stalled: NodeJS.Timeout | undefined;
  #silence: NodeJS.Timeout | undefined;
  #app = '';
  #tcUrl = '';
  #fmle = false;
  /** Of FCPublish. */
  #announcedAt: number | undefined;
  #stream: Stream | undefined;
  #player: Player | undefined;
  #publication: Publication | undefined;
  #client: ClientRecord | undefined;
  /** What a publisher has sent that is not let in yet. */
  #held: Message[] | undefined;
  /** While coworkers are asked for the stream. */
  #stopAsking: (() => void) | undefined;
  readonly #window = new AcknowledgementWindow();
  #mediaMessages = 0;
  #isLost = false;
  #bytesIn = 0;
  #deaf = false;

  constructor(node: MediaNode, socket: Socket) {
    this.#node = node;
    this.#socket = socket;
    this.#handshake = new ServerHandshake({ random: (n) => randomBytes(n), hmac: hmacSha256 });
    const assembler = new MessageAssembler((message) => this.#onMessage(message));
    const defective = misreadsChunks(node.mutants)
      ? new DefectiveChunkSink(assembler, node.mutants)
      : undefined;
    this.#reader = new ChunkReader(defective ?? assembler);
    if (defective) defective.reader = this.#reader;
    if (!node.mutants.has('rtmp-no-handshake-timeout')) {
      this.#stalled = setTimeout(() => this.#close(`stalled in ${this.#state}`), node.timeouts.handshake);
    }
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('close', () => this.#onClose());
  }

  #onData(bytes: Buffer): void {
    if (this.#deaf || this.#state === State.closed) return;
    this.#bytesIn += bytes.length;
    try {
      const start = this.#state === State.handshake ? this.#shakeHands(bytes) : 0;
      if (start < bytes.length) this.#reader.push(bytes, start, bytes.length);
    } catch (error) {
      this.#onMalformed(error);
      return;
    }
    const due = this.#window.received(bytes.length);
    if (due !== undefined) this.#sendControl(MessageTypeId.Acknowledgement, encodeAck(due));
  }

  /** Returns where chunks begin. */
  #shakeHands(bytes: Buffer): number {
    const { mutants } = this.#node;
    if (
      mutants.has('rtmp-handshake-needs-one-piece') &&
      this.#bytesIn === bytes.length &&
      bytes.length < 1537
    ) {
      this.#deaf = true;
      return bytes.length;
    }
    const handshake = this.#handshake!;
    const { consumed, send, done } = handshake.push(bytes, 0, bytes.length);
    if (send) this.#socket.write(this.#spoilHandshake(send, handshake.form === 'digest'));
    if (!done) return bytes.length;
    this.#handshake = undefined;
    this.#state = State.connecting;
    return mutants.has('rtmp-handshake-drops-rest') ? bytes.length : consumed;
  }

  #spoilHandshake(s0s1s2: Uint8Array, digest: boolean): Uint8Array {
    const { mutants } = this.#node;
    if (!mutants.has(digest ? 'rtmp-digest-handshake-wrong' : 'rtmp-simple-handshake-wrong')) return s0s1s2;
    const spoilt = s0s1s2.slice();
    for (let at = spoilt.length - 32; at < spoilt.length; at++) spoilt[at] = spoilt[at]! ^ 0xff;
    return spoilt;
  }

  /** Malformed input ends this connection and nothing else. */
  #onMalformed(error: unknown): void {
    const { mutants } = this.#node;
    if (mutants.has('rtmp-malformed-tolerated')) {
      clearTimeout(this.#stalled);
      this.#deaf = true;
      return;
    }
    if (mutants.has('rtmp-malformed-kills-node')) throw error;
    if (mutants.has('rtmp-malformed-closes-others')) this.#node.destroyConnections();
    this.#close(error instanceof ProtocolError ? error.message : inspect(error));
    this.#socket.destroy();
  }

  #onMessage(message: Message): void {
    switch (message.messageTypeId) {
      case MessageTypeId.WindowAckSize:
        this.#window.size = decodeControlValue(message.payload);
        return;
      case MessageTypeId.UserControl:
        this.#onUserControl(message.payload);
        return;
      case MessageTypeId.CommandAmf0:
      case MessageTypeId.CommandAmf3:
        this.#onCommand(decodeCommand(message.payload));
        return;
      default:
        if (!isMedia(message)) return;
        this.#held?.push(message);
        if (!this.#publication) return;
        this.#mediaMessages++;
        if (!this.#isLost) this.#publication.onMessage(message);
    }
  }

  #onUserControl(payload: Uint8Array): void {
    const { event, a } = decodeUserControl(payload);
    if (event === UserControlEvent.PingRequest) {
      this.#sendControl(MessageTypeId.UserControl, encodeUserControl(UserControlEvent.PingResponse, a));
    }
  }

  #onCommand(command: Command): void {
    if (this.#state === State.closed) return;
    if (this.#state === State.redirected) {
      this.#close('redirected');
      return;
    }
    const { name, transactionId: id } = command;
    if (this.#state === State.connecting && name !== 'connect') {
      throw new ProtocolError(ProtocolErrorCode.RtmpCommand, 'connect as the first command', name);
    }
    switch (name) {
      case 'connect':
        this.#onConnect(command);
        return;
      case 'createStream':
        this.#reply(this.#node.mutants.has('rtmp-wrong-transaction') ? id + 1 : id, MESSAGE_STREAM_ID);
        return;
      case 'releaseStream':
        this.#reply(id, undefined);
        return;
      case 'FCPublish':
        this.#fmle = true;
        this.#announcedAt = performance.now();
        this.#reply(id, undefined);
        return;
      case 'publish':
        this.#onPublish(this.#requested(command));
        return;
      case 'play':
        this.#onPlay(this.#requested(command));
        return;
      case 'FCUnpublish':
        this.#onFCUnpublish(id);
        return;
      case 'closeStream':
      case 'deleteStream':
        this.#leaveStream();
        return;
      default:
        this.#onUnknown(`unknown command ${name}`);
    }
  }

  /** Mutants. */
  #onUnknown(reason: string): void {
    const { mutants } = this.#node;
    if (mutants.has('rtmp-unknown-command-closes')) this.#close(reason);
    if (this.#state !== State.playing || !mutants.has('rtmp-unknown-command-ends-play')) return;
    setTimeout(() => this.#close(reason), LAST_WORDS_MS);
  }

  #onConnect({ object, transactionId }: Command): void {
    this.#tcUrl = text(amfProperty(object, 'tcUrl'));
    // SRS takes the app from tcUrl (srs_protocol_rtmp_stack.cpp, connect_app), and its own proxy sends no other.
    this.#app =
      text(amfProperty(object, 'app')) || (/^[a-z]+:\/\/[^/]+\/(.+)$/i.exec(this.#tcUrl)?.[1] ?? '');
    this.#state = State.connected;
    this.#sendControl(MessageTypeId.WindowAckSize, encodeWindowAckSize(WINDOW_ACK_SIZE));
    this.#sendControl(MessageTypeId.SetPeerBandwidth, encodeSetPeerBandwidth(WINDOW_ACK_SIZE, LIMIT_DYNAMIC));
    this.#sendControl(MessageTypeId.SetChunkSize, encodeSetChunkSize(CHUNK_SIZE));
    this.#writer.chunkSize = CHUNK_SIZE;
    const server = { version: '3,5,3,888', srs_sig: SERVER_NAME, srs_version: API_VERSION.version };
    this.#send(CHUNK_STREAM.connection, 0, {
      name: '_result',
      transactionId,
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

  #requested(command: Command): StreamName {
    const name = streamName(this.#app, text(command.args[0]));
    if (!name) {
      throw new ProtocolError(ProtocolErrorCode.RtmpCommand, 'an app and a stream name', command.name);
    }
    return name;
  }

  #onPublish(requested: StreamName): void {
    if (this.#client) this.#leave();
    if (this.#fmle) this.#status('onFCPublish', 'NetStream.Publish.Start', 'Started publishing stream.');
    const stream = this.#node.stream(requested.url);
    const client = this.#record(this.#fmle ? 'fmle-publish' : 'flash-publish', requested, true);
    const streamName = requested.requested;
    const request = { stream, app: this.#app, streamName, tcUrl: this.#tcUrl, client };
    if (this.#node.mutants.has('origin-redirects-publishers') && this.#redirectPublisher(request)) return;
    const admitted = this.#node.hooks?.onPublish(request);
    this.#enter(client);
    if (admitted) this.#hold(request, admitted);
    else this.#publish(request);
  }

  /** Mutant. Returns whether there is somebody to ask. */
  #redirectPublisher(request: PublishRequest): boolean {
    this.#enter(request.client);
    this.#stopAsking = askElsewhere(this.#node, request.stream, this.#app, request.streamName, {
      onFound: (command) => this.#redirect(command),
      onNowhere: () => this.#publish(request),
    });
    return this.#stopAsking !== undefined;
  }

  /** Until a hook has let the publisher in: what it sends meanwhile waits, nearly all of it in its socket. */
  #hold(request: PublishRequest, admitted: Promise<void>): void {
    const held: Message[] = [];
    this.#held = held;
    this.#socket.pause();
    const decided = (refusal?: Error): void => {
      this.#socket.resume();
      if (this.#held !== held || this.#socket.destroyed) {
        if (!refusal) this.#node.hooks?.onLeft(request);
        return;
      }
      this.#held = undefined;
      if (refusal) this.#close(refusal.message);
      else if (this.#publish(request)) this.#replay(held);
    };
    admitted.then(() => decided(), decided);
  }

  /** Nobody else catches what is malformed: it is not on its way from the socket any more. */
  #replay(held: readonly Message[]): void {
    try {
      for (const message of held) this.#onMessage(message);
    } catch (error) {
      this.#onMalformed(error);
    }
  }

  /** Returns whether the publisher was let in. */
  #publish(request: PublishRequest): boolean {
    // At an edge the end of a publication is told when the origin has seen it: by then there may be another one here.
    const isCurrent = (): boolean => this.#client === request.client;
    const publication = this.#node.role.publish(request, {
      onStarted: () => {
        if (!isCurrent()) return;
        this.#status('onStatus', 'NetStream.Publish.Start', 'Started publishing stream.');
      },
      onClosed: (reason) => {
        if (isCurrent()) this.#close(reason);
      },
    });
    if (!publication) {
      this.#close(`stream ${request.stream.url} is busy (code 1028)`);
      return false;
    }
    this.#state = State.publishing;
    this.#stream = request.stream;
    this.#publication = publication;
    this.#isLost = this.#cameSlowly();
    this.#watchPublisher();
    return true;
  }

  /** Mutant. */
  #cameSlowly(): boolean {
    const announcedAt = this.#announcedAt ?? Number.POSITIVE_INFINITY;
    return (
      this.#node.mutants.has('origin-loses-slow-publisher') && performance.now() - announcedAt > LOST_AFTER_MS
    );
  }

  /** 20 s for the first message; after it silence is looked for every 5 s (facts/srs.md 10.2). */
  #watchPublisher(): void {
    const { publishFirst, publishSilence } = this.#node.timeouts;
    let before = 0;
    const look = (): void => {
      if (this.#mediaMessages === before) {
        this.#close('publisher is silent');
        return;
      }
      before = this.#mediaMessages;
      this.#silence = setTimeout(look, publishSilence);
    };
    this.#mediaMessages = 0;
    this.#silence = setTimeout(look, publishFirst);
  }

  #onPlay(requested: StreamName): void {
    if (this.#client) this.#leave();
    const stream = this.#node.stream(requested.url);
    stream.asked = requestUrl(this.#tcUrl, this.#app, requested.requested);
    this.#sendControl(
      MessageTypeId.UserControl,
      encodeUserControl(UserControlEvent.StreamBegin, MESSAGE_STREAM_ID),
    );
    const { mutants, coworkers } = this.#node;
    const early = mutants.has('origin-redirects-before-start') && coworkers && !stream.publisher;
    if (!early) this.#status('onStatus', 'NetStream.Play.Reset', 'Playing and resetting stream.');
    if (!early && !mutants.has('rtmp-play-status-missing')) {
      this.#status('onStatus', 'NetStream.Play.Start', 'Started playing stream.');
    }
    this.#sendMessage(
      CHUNK_STREAM.stream,
      MessageTypeId.DataAmf0,
      MESSAGE_STREAM_ID,
      encodeAmf(['|RtmpSampleAccess', true, true]),
    );
    this.#state = State.playing;
    this.#stream = stream;
    this.#enter(this.#record('rtmp-play', requested, false));
    this.#player = stream.addPlayer('rtmp', this.#socket);
    this.#askElsewhere(stream, requested);
  }

  #askElsewhere(stream: Stream, { requested }: StreamName): void {
    this.#stopAsking = askElsewhere(this.#node, stream, this.#app, requested, {
      onFound: (command) => this.#redirect(command),
      onNowhere: (reason) => this.#close(reason),
    });
  }

  #redirect(command: Command): void {
    this.#send(CHUNK_STREAM.stream, 0, command);
    this.#leave();
    this.#state = State.redirected;
    if (this.#node.mutants.has('origin-keeps-redirected')) return;
    this.#stalled = setTimeout(() => this.#close('redirected'), this.#node.timeouts.redirected);
  }

  #onFCUnpublish(transactionId: number): void {
    if (!this.#publication) return;
    this.#status('onFCUnpublish', 'NetStream.Unpublish.Success', 'Stop publishing stream.');
    this.#reply(transactionId, undefined);
    this.#status('onStatus', 'NetStream.Unpublish.Success', 'Stream is now unpublished');
    this.#leaveStream();
  }

  #record(type: ClientType, requested: StreamName, publish: boolean): ClientRecord {
    return {
      id: randomId(),
      type,
      ip: this.#socket.remoteAddress ?? '',
      tcUrl: this.#tcUrl,
      url: requested.url,
      name: requested.name,
      publish,
      since: Date.now(),
      socket: this.#socket,
    };
  }

  #enter(client: ClientRecord): void {
    if (client.publish || !this.#node.mutants.has('media-stall-timer-kept')) clearTimeout(this.#stalled);
    this.#client = client;
    this.#node.enter(client);
  }

  /** As the client asked for: the connection is kept for what it wants next, though not for ever. */
  #leaveStream(): void {
    if (!this.#client) return;
    this.#leave();
    clearTimeout(this.#stalled);
    const { republish } = this.#node.timeouts;
    this.#stalled = setTimeout(() => this.#close(`stalled in ${this.#state}`), republish);
  }

  /** Ends playing or publishing; the connection may begin again. */
  #leave(): void {
    clearTimeout(this.#silence);
    this.#stopAsking?.();
    this.#stopAsking = undefined;
    this.#held = undefined;
    const stream = this.#stream;
    const kept =
      this.#node.mutants.has('media-missing-stream-kept') && stream !== undefined && stream.frames === 0;
    this.#publication?.close();
    if (stream && this.#player && !kept) stream.removePlayer('rtmp', this.#player);
    if (this.#client && !kept) this.#node.leave(this.#client);
    this.#publication = undefined;
    this.#player = undefined;
    this.#stream = undefined;
    this.#client = undefined;
    if (this.#state !== State.closed) this.#state = State.connected;
  }

  #onClose(): void {
    clearTimeout(this.#stalled);
    this.#state = State.closed;
    if (this.#node.mutants.has('origin-frees-on-unpublish-only')) this.#publication = undefined;
    this.#leave();
  }

  /** What was written before still arrives; what the peer sends is not read any more. */
  #close(reason: string): void {
    if (this.#state === State.closed) return;
    this.#node.log(`rtmp ${this.#socket.remoteAddress}:${this.#socket.remotePort} closed: ${reason}`);
    this.#state = State.closed;
    clearTimeout(this.#stalled);
    this.#leave();
    closeSoon(this.#socket);
  }

  #reply(transactionId: number, value: AmfValue): void {
    this.#send(CHUNK_STREAM.connection, 0, {
      name: '_result',
      transactionId,
      object: null,
      args: [value],
    });
  }

  #status(name: string, code: string, description: string): void {
    const status = onStatus({
      level: 'status',
      code,
      description,
      details: 'stream',
      clientid: 'ASAICiss',
    });
    this.#send(CHUNK_STREAM.stream, MESSAGE_STREAM_ID, { ...status, name });
  }

  #send(chunkStreamId: number, messageStreamId: number, command: Command): void {
    this.#sendMessage(chunkStreamId, MessageTypeId.CommandAmf0, messageStreamId, encodeCommand(command));
  }

  #sendControl(messageTypeId: number, payload: Uint8Array): void {
    this.#sendMessage(CHUNK_STREAM.control, messageTypeId, 0, payload);
  }

  #sendMessage(
    chunkStreamId: number,
    messageTypeId: number,
    messageStreamId: number,
    payload: Uint8Array,
  ): void {
    if (!this.#socket.writable) return;
    this.#socket.write(this.#writer.encode(chunkStreamId, messageTypeId, messageStreamId, 0, payload));
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#socket.destroy();
  }
}

export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha256', key).update(data).digest();
}

function text(value: AmfValue): string {
  return typeof value === 'string' ? value : '';
}
