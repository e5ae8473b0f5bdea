#include "models/dma_model.h"

#include "core/iommu_dev/dma.h"

unsigned model_polls, model_revocations;
uint32_t model_revoked;

static const uint64_t news = 1;
const volatile uint64_t *dma_news = &news;

void dma_report(void)
{
    model_polls++;
}

void dma_revoke(uint32_t domain)
{
    model_revocations++;
    model_revoked = domain;
}
