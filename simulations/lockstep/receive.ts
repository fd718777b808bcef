import { TagalongError } from '#shared/errors.ts';
import type { SharedHosts } from './hosts.ts';
import type { Member } from './member.ts';
import type { Answer, FromFollower, Question } from './messages.ts';
import type { Outstanding } from './outstanding.ts';

/** The parts of a conductor that a message of a follower changes. */
export interface Receivers {
  readonly outstanding: Outstanding;
  readonly hosts: SharedHosts;
}

/** Applies a message of a follower, and answers it if it is a question. */
export function receive(member: Member, message: FromFollower, { outstanding, hosts }: Receivers): void {
  const { name } = member;
  switch (message.kind) {
    case 'started':
      member.url = message.url;
      break;
    case 'subscribed':
      outstanding.subscribed(message.group, message.types, message.own ? name : undefined);
      break;
    case 'announced':
      for (const event of message.events) outstanding.announced(name, event);
      break;
    case 'published':
      for (const id of message.ids) outstanding.published(id);
      break;
    case 'publish-failed':
      for (const id of message.ids) outstanding.publishFailed(name, id);
      break;
    case 'handled':
      for (const id of message.ids) outstanding.handled(message.group, name, id);
      break;
    case 'order':
      hosts.order(name, message.order);
      break;
    case 'ask':
      member.send({ kind: 'answer', n: message.n, ...answerOf(hosts, name, message.question) });
  }
}

function answerOf(hosts: SharedHosts, name: string, question: Question): Answer {
  try {
    return { value: hosts.answer(name, question) };
  } catch (error) {
    if (!(error instanceof TagalongError)) throw error;
    return { fault: { code: error.code, message: error.message } };
  }
}
