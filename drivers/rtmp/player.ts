/** Plays one RTMP stream into a sink. */
import { type MediaSink, MediaType } from '../../protocols/media.ts';
import type { MessageHeader } from '../../protocols/rtmp/chunk-reader.ts';
import { deleteStreamCommand, playCommand } from '../../protocols/rtmp/commands.ts';
import { type Message, splitAggregate } from '../../protocols/rtmp/message-assembler.ts';
import { encodeUserControl, MessageTypeId, UserControlEvent } from '../../protocols/rtmp/messages.ts';
import { type ClientObserver, type ClientOptions, ClientState, CloseReason, type Player } from '../client.ts';
import { MediaInlet } from '../inlet.ts';
import { RtmpClient } from './session.ts';

/** What SRS's edge asks for (facts/srs.md 1.3). */
const BUFFER_LENGTH_MS = 1000;

export class RtmpPlayer extends RtmpClient implements Player {
  readonly sink: MediaSink;
  /** Watches for the first keyframe, and then makes way for the sink itself. */
  private inlet: MediaSink;
  /** Chunk stream whose message of this type is under way; 0 when none is. */
  private openVideo = 0;
  private openAudio = 0;
  private openScript = 0;

  constructor(url: string, sink: MediaSink, options?: ClientOptions, observer?: ClientObserver) {
    super(url, options, observer);
    this.sink = sink;
    this.inlet = new MediaInlet(sink, this.timing);
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  protected override onConnected(): void {
    this.createStream();
  }

  protected override onStreamCreated(): void {
    this.command(this.messageStreamId, playCommand(this.nextTransaction(), this.target!.stream));
    this.control(
      MessageTypeId.UserControl,
      encodeUserControl(UserControlEvent.SetBufferLength, this.messageStreamId, BUFFER_LENGTH_MS),
    );
  }

  protected override onStatus(code: string): void {
    if (code === 'NetStream.Play.Start') this.streaming();
  }

  protected override goodbye(): void {
    if (this.messageStreamId !== 0)
      this.command(0, deleteStreamCommand(this.nextTransaction(), this.messageStreamId));
  }

  override onMessageBegin(message: MessageHeader): void {
    const type = message.messageTypeId;
    if (type === MediaType.video || type === MediaType.audio || type === MediaType.script) {
      this.mediaBegin(type, message);
    } else {
      super.onMessageBegin(message);
    }
  }

  override onMessagePayload(message: MessageHeader, bytes: Uint8Array, start: number, end: number): void {
    const type = message.messageTypeId;
    if (type === MediaType.video) {
      if (message.chunkStreamId === this.openVideo) this.inlet.data(type, bytes, start, end);
    } else if (type === MediaType.audio) {
      if (message.chunkStreamId === this.openAudio) this.inlet.data(type, bytes, start, end);
    } else if (type === MediaType.script) {
      if (message.chunkStreamId === this.openScript) this.inlet.data(type, bytes, start, end);
    } else {
      super.onMessagePayload(message, bytes, start, end);
    }
  }

  override onMessageEnd(message: MessageHeader): void {
    const type = message.messageTypeId;
    if (type === MediaType.video) {
      if (message.chunkStreamId !== this.openVideo) return;
      this.openVideo = 0;
      this.inlet.end(type, this.now);
      if (this.inlet !== this.sink) this.makeWay();
    } else if (type === MediaType.audio) {
      if (message.chunkStreamId !== this.openAudio) return;
      this.openAudio = 0;
      this.inlet.end(type, this.now);
    } else if (type === MediaType.script) {
      if (message.chunkStreamId !== this.openScript) return;
      this.openScript = 0;
      this.inlet.end(type, this.now);
    } else {
      super.onMessageEnd(message);
    }
  }

  private makeWay(): void {
    if (!Number.isNaN(this.timing.firstKeyframe)) this.inlet = this.sink;
  }

  override onMessageAbort(message: MessageHeader): void {
    if (message.chunkStreamId === this.openVideo) this.openVideo = 0;
    if (message.chunkStreamId === this.openAudio) this.openAudio = 0;
    if (message.chunkStreamId === this.openScript) this.openScript = 0;
    super.onMessageAbort(message);
  }

  private mediaBegin(type: MediaType, message: MessageHeader): void {
    // A server may send media before it says Play.Start; after a close or a redirect nothing is media any more.
    if (this.state !== ClientState.streaming && !this.streaming()) return;
    const open =
      type === MediaType.video ? this.openVideo : type === MediaType.audio ? this.openAudio : this.openScript;
    if (open !== 0) {
      this.fail(
        CloseReason.protocol,
        'rtmp.media.interleaved',
        `two messages of type ${type} at once, on chunk streams ${open} and ${message.chunkStreamId}`,
      );
      return;
    }
    if (type === MediaType.video) this.openVideo = message.chunkStreamId;
    else if (type === MediaType.audio) this.openAudio = message.chunkStreamId;
    else this.openScript = message.chunkStreamId;
    this.inlet.begin(type, message.timestamp, message.length, this.now);
  }

  protected override onOther(message: Message): void {
    if (message.messageTypeId !== MessageTypeId.Aggregate || this.state !== ClientState.streaming) return;
    for (const part of splitAggregate(message)) {
      const type = part.messageTypeId;
      if (type !== MediaType.video && type !== MediaType.audio && type !== MediaType.script) continue;
      this.inlet.begin(type, part.timestamp, part.payload.length, this.now);
      if (part.payload.length > 0) this.inlet.data(type, part.payload, 0, part.payload.length);
      this.inlet.end(type, this.now);
    }
  }

  protected override prepare(location: string): ReturnType<RtmpClient['prepare']> {
    this.openVideo = 0;
    this.openAudio = 0;
    this.openScript = 0;
    return super.prepare(location);
  }
}
