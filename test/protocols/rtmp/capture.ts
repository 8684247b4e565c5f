import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ChunkReader } from '../../../protocols/rtmp/chunk-reader.ts';
import { type Command, decodeCommand } from '../../../protocols/rtmp/commands.ts';
import type { Hmac } from '../../../protocols/rtmp/handshake.ts';
import { type Message, MessageAssembler } from '../../../protocols/rtmp/message-assembler.ts';
import { MessageTypeId } from '../../../protocols/rtmp/messages.ts';

/** C0C1C2 or S0S1S2. */
export const handshakeSize = 1 + 1536 + 1536;

export const captures = [
  'srs-7.0.18/ffmpeg-play',
  'srs-7.0.18/ffmpeg-publish',
  'srs-7.0.18/edge-pull',
  'srs-5.0.213/ffmpeg-play-302',
  'srs-5.0.213/edge-302',
  'nginx-rtmp-1.2.2/ffmpeg-play',
  'nginx-rtmp-1.2.2/ffmpeg-publish',
  'nginx-rtmp-1.2.2/ffmpeg-play-extended',
  'nginx-rtmp-1.2.2/ffmpeg-publish-extended',
] as const;
export type CaptureName = (typeof captures)[number];
export type Side = 'c2s' | 's2c';

export const hmac: Hmac = (key, data) => createHmac('sha256', key).update(data).digest();

export function recorded(name: CaptureName, side: Side): Uint8Array {
  return new Uint8Array(
    readFileSync(new URL(`../../../fixtures/captures/${name}.${side}.bin`, import.meta.url)),
  );
}

/** What follows the handshake. */
export function chunks(name: CaptureName, side: Side): Uint8Array {
  return recorded(name, side).subarray(handshakeSize);
}

/** Every whole message, with the chunk size in force when it ended. */
export function messagesOf(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  new ChunkReader(new MessageAssembler((message) => messages.push(message))).push(bytes);
  return messages;
}

export function commandsOf(messages: readonly Message[]): Command[] {
  return messages
    .filter((message) => message.messageTypeId === MessageTypeId.CommandAmf0)
    .map((message) => decodeCommand(message.payload));
}

export function mediaOf(messages: readonly Message[]): Message[] {
  return messages.filter(
    ({ messageTypeId }) => messageTypeId === MessageTypeId.Audio || messageTypeId === MessageTypeId.Video,
  );
}

export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}
