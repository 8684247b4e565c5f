/** Publishes one RTMP stream, in the order of commands of FMLE, which every server and encoder knows. */
import { MediaType } from '../../protocols/media.ts';
import {
  deleteStreamCommand,
  fcPublishCommand,
  fcUnpublishCommand,
  publishCommand,
  releaseStreamCommand,
} from '../../protocols/rtmp/commands.ts';
import { ChunkStreamId, encodeSetChunkSize, MessageTypeId } from '../../protocols/rtmp/messages.ts';
import { ClientState, type Publisher } from '../client.ts';
import { RtmpClient } from './session.ts';

/** As SRS and FFmpeg publish: one chunk per frame, as a rule. */
const CHUNK_SIZE = 60_000;

/** AMF0 string "@setDataFrame", which makes a server keep the metadata for players to come. */
const SET_DATA_FRAME = Uint8Array.of(2, 0, 13, ...new TextEncoder().encode('@setDataFrame'));
/** AMF0 string "onMetaData". */
const ON_META_DATA = Uint8Array.of(2, 0, 10, ...new TextEncoder().encode('onMetaData'));

export class RtmpPublisher extends RtmpClient implements Publisher {
  get backlog(): number {
    return this.socket?.writableLength ?? 0;
  }

  protected override onConnected(): void {
    this.control(MessageTypeId.SetChunkSize, encodeSetChunkSize(CHUNK_SIZE));
    this.writer.chunkSize = CHUNK_SIZE;
    const { stream } = this.target!;
    this.command(0, releaseStreamCommand(this.nextTransaction(), stream));
    this.command(0, fcPublishCommand(this.nextTransaction(), stream));
    this.createStream();
  }

  protected override onStreamCreated(): void {
    this.timing.connect = this.now;
    this.command(this.messageStreamId, publishCommand(this.nextTransaction(), this.target!.stream));
  }

  protected override onStatus(code: string): void {
    if (code === 'NetStream.Publish.Start') this.streaming();
  }

  protected override onOther(): void {}

  protected override goodbye(): void {
    if (this.messageStreamId === 0) return;
    this.command(0, fcUnpublishCommand(this.nextTransaction(), this.target!.stream));
    this.command(0, deleteStreamCommand(this.nextTransaction(), this.messageStreamId));
  }

  send(type: MediaType, timestamp: number, body: Uint8Array): boolean {
    if (this.state !== ClientState.streaming) return false;
    const payload =
      type === MediaType.script && startsWith(body, ON_META_DATA) ? join(SET_DATA_FRAME, body) : body;
    const chunkStreamId = type === MediaType.audio ? ChunkStreamId.Audio : ChunkStreamId.Video;
    return this.write(
      this.writer.encode(chunkStreamId, type, this.messageStreamId, timestamp >>> 0, payload),
    );
  }
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, at) => bytes[at] === byte);
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
