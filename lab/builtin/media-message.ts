/** RTMP messages that carry media, as frames (RTMP 1.0 section 7.1; facts/srs.md 9.8). */
import { MediaType } from '../../protocols/media.ts';
import { type Message, splitAggregate } from '../../protocols/rtmp/message-assembler.ts';
import { MessageTypeId } from '../../protocols/rtmp/messages.ts';
import { Frame } from './frame.ts';

/** AMF0 strings: marker, length, characters. */
const SET_DATA_FRAME = amfString('@setDataFrame');
const ON_META_DATA = amfString('onMetaData');

export function isMedia(message: Message): boolean {
  switch (message.messageTypeId) {
    case MessageTypeId.Audio:
    case MessageTypeId.Video:
    case MessageTypeId.DataAmf0:
    case MessageTypeId.DataAmf3:
    case MessageTypeId.Aggregate:
      return true;
    default:
      return false;
  }
}

/** Hands over the frames of a message: none for data other than onMetaData, several for an aggregate. */
export function framesOf(message: Message, onFrame: (frame: Frame) => void): void {
  const { messageTypeId, timestamp, payload } = message;
  switch (messageTypeId) {
    case MessageTypeId.Audio:
      if (payload.length > 0) onFrame(new Frame(MediaType.audio, timestamp, payload));
      return;
    case MessageTypeId.Video:
      if (payload.length > 0) onFrame(new Frame(MediaType.video, timestamp, payload));
      return;
    case MessageTypeId.DataAmf0:
    case MessageTypeId.DataAmf3: {
      const metadata = metadataOf(messageTypeId === MessageTypeId.DataAmf3 ? payload.subarray(1) : payload);
      if (metadata) onFrame(new Frame(MediaType.script, timestamp, metadata));
      return;
    }
    case MessageTypeId.Aggregate:
      for (const part of splitAggregate(message)) framesOf(part, onFrame);
      return;
    default:
  }
}

/** What players get: `onMetaData` and its object, without the publisher's `@setDataFrame`. */
function metadataOf(payload: Uint8Array): Uint8Array | undefined {
  const body = startsWith(payload, SET_DATA_FRAME) ? payload.subarray(SET_DATA_FRAME.length) : payload;
  return startsWith(body, ON_META_DATA) ? body : undefined;
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, i) => bytes[i] === byte);
}

function amfString(text: string): Uint8Array {
  return Buffer.concat([Uint8Array.of(2, 0, text.length), Buffer.from(text, 'latin1')]);
}
