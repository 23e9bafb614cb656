/** What tests of machines of both packages use. */
export { Controlled, createClock, settled } from '../../discovery/test/machines.ts';
