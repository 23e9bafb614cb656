/** Topics that a node subscribes to at the same time, and that are noted of a neighbour. */
export const maxTopics = 128;
