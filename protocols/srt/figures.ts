/** What one connection counts. Plain data; totals of the connection's life. */
export class SrtFigures {
  /** Data packets that came for the first time, and their bytes with headers. */
  packetsReceived = 0;
  bytesReceived = 0;
  /** Packets whose number was jumped over when it was due: lost on the way there, or overtaken. */
  packetsLost = 0;
  /** Of these, such as came by themselves after all. */
  packetsReordered = 0;
  /** Packets that came with the retransmission flag. */
  retransmitsReceived = 0;
  /** Never delivered: they were not there when they were to be played. */
  packetsDropped = 0;
  /** Came after their turn. */
  packetsBelated = 0;
  /** Came again. */
  packetsDuplicated = 0;
  /** Encrypted with a key that is not known, or not at all where they should be. */
  packetsUndecryptable = 0;
  /** So far ahead that there is no room for them. */
  packetsBeyond = 0;
  naksSent = 0;
  acksSent = 0;
  packetsSent = 0;
  bytesSent = 0;
  retransmitsSent = 0;
  /** Numbers that the peer's loss reports told. */
  lossReported = 0;
  /** Given up by the sender: too old to be of use. */
  sendDropped = 0;
  naksReceived = 0;
  acksReceived = 0;
  /** Packets that could not be parsed, or made no sense. */
  malformed = 0;
}
