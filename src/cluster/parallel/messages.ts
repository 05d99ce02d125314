import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { z } from 'zod';

/** Changes whenever trainers of another version could not be told apart from those that understand each other. */
export const PROTOCOL = 2;

const rank = z.int().nonnegative();
const SharedFileName = z.strictObject({ name: z.string().max(128), token: z.string().max(64) });

/** What trainers tell each other: JSON, a line each. */
export const Message = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('hello'),
    protocol: z.int(),
    rank,
    world: z.int().positive(),
    /** What has to be the same for all: see `joinTrainers`. */
    job: z.record(z.string(), z.string()),
  }),
  z.strictObject({ kind: z.literal('refused'), reason: z.string() }),
  /** All are there; whoever is on the same machine finds this file to share memory by. */
  z.strictObject({ kind: z.literal('welcome'), memory: SharedFileName.optional() }),
  /** Whether that file was found. */
  z.strictObject({ kind: z.literal('found'), isShared: z.boolean() }),
  /** How all sum their gradients. */
  z.strictObject({ kind: z.literal('agreed'), way: z.enum(['grpc', 'shared']) }),
  /** TensorFlow listens, or memory is shared. */
  z.strictObject({ kind: z.literal('ready') }),
  /** All of them are ready. */
  z.strictObject({ kind: z.literal('go') }),
  z.strictObject({ kind: z.literal('alive') }),
  /** Goes because the run is over, or for a reason of its own. */
  z.strictObject({ kind: z.literal('leave'), reason: z.string().optional() }),
  /** Somebody is lost. */
  z.strictObject({ kind: z.literal('lost'), rank, why: z.string() }),
]);
/** How gradients are summed. */
export type Way = Extract<Message, { kind: 'agreed' }>['way'];
export type Message = z.output<typeof Message>;

export const send = (socket: Socket, message: Message): void => {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
};

/** Longer lines are no message of ours. */
const LONGEST_LINE = 65_536;

/** Hands on each message that comes. What is none ends the connection. */
export function receive(socket: Socket, take: (message: Message) => void): void {
  const lines = createInterface({ input: socket, crlfDelay: Infinity });
  lines.on('error', () => {}); // the socket's own listener tells it
  lines.on('line', (line) => {
    const message = line.length > LONGEST_LINE ? undefined : parsed(line);
    if (message) take(message);
    else socket.destroy(new Error(`expected a trainer's message, got \`${line.slice(0, 40)}\``));
  });
}

function parsed(line: string): Message | undefined {
  try {
    return Message.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined; // another protocol's, which is told by whoever calls
  }
}
