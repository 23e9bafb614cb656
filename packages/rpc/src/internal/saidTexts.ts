/** What this package says beside a code when it refuses a request. Known texts may be repeated: nobody's question is in them. */
export const saidTexts = {
  handlerFailed: 'the handler failed',
  noHandler: 'this node serves no requests',
  notHandled: 'the request could not be handled',
  notRead: 'the request could not be read',
  notOfProtocol: 'the request does not fit the protocol',
  notWritten: 'what there was to say cannot be written',
  unknownMethod: 'this node does not know the method',
  unknownProtocol: 'this node does not serve the protocol',
  onlyInChunks: 'an answer that began elsewhere goes on in chunks',
  cannotContinue: 'this node cannot go on with what another one began',
  tooOften: 'too many of these requests',
  noSlot: 'all slots of this node are taken',
  noSlotInTime: 'no slot was free in time',
  noRoom: 'this node has no room now',
  noBytes: 'this node holds too many large requests now',
  noBytesToRead: 'this node reads too many large requests now',
  saidBefore: 'it has said so before',
  noNotes: 'this node can note no requests now',
  stillWorking: 'this request was given up, and its work goes on',
  otherRequest: 'the key belongs to another request',
  otherForm: 'the key belongs to a request that is answered in chunks',
  lost: 'this node accepted the request and has lost it',
  slow: 'the request did not arrive in time',
  omitted: 'nobody answered in time',
  stops: 'this node stops',
  stopped: 'this node stopped before it had answered',
} as const;

const known: ReadonlySet<string> = new Set(Object.values(saidTexts));

/** Whether somebody said what this package says. */
export const isSaidText = (text: string): boolean => known.has(text);
