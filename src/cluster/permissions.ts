import { subjectsOf, workersConsumer } from './protocol.ts';

/**
 * What a role of a run must be allowed on the server, as a block of its configuration. A worker may ask the trainer, take
 * jobs and read parameters; it cannot publish either, nor answer for the trainer.
 * @example
 * permissionsFor('worker', 'moby-dick'); // lines for the server's configuration
 */
export function permissionsFor(role: 'trainer' | 'worker', run: string): string {
  const { ask, news, jobs, jobsStream, parameters, parametersStream, trainers } = subjectsOf(run);
  const worker = {
    publish: [
      ask,
      api(`CONSUMER.INFO.${jobsStream}.${workersConsumer}`),
      api(`CONSUMER.MSG.NEXT.${jobsStream}.${workersConsumer}`),
      api(`DIRECT.GET.${parametersStream}.>`),
      `$JS.ACK.${jobsStream}.>`,
    ],
    subscribe: ['_INBOX.>', news],
  };
  const trainer = {
    publish: [
      ask,
      news,
      trainers,
      jobs,
      `${parameters}.>`,
      '_INBOX.>',
      ...[jobsStream, parametersStream].flatMap((stream) => [api(`STREAM.*.${stream}`), api(`CONSUMER.*.${stream}.>`)]),
    ],
    subscribe: ['_INBOX.>', ask, trainers],
  };
  const { publish, subscribe } = role === 'worker' ? worker : trainer;
  return `{ publish: { allow: ${list(publish)} }, subscribe: { allow: ${list(subscribe)} } }`;
}

const api = (call: string) => `$JS.API.${call}`;
const list = (subjects: readonly string[]) => `[${subjects.map((subject) => JSON.stringify(subject)).join(', ')}]`;
