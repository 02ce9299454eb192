/**
 * Version of the calls that `gradus --server` uses (DescribeFleet). It grows when a client of the version before would misread an answer; a new
 * field that may be left out is no reason.
 */
export const submissionContract = 2;

export const lowestPriority = 1;
export const highestPriority = 10;
