/* What core's console says of evidence that failed, without being flooded. */
#ifndef ATTEST_COMPLAIN_H
#define ATTEST_COMPLAIN_H

/* Evidence for domain `index` failed, by the fault that tpm_fault() tells. */
void complain(unsigned index);

#endif
