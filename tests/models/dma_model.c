#include "models/dma_model.h"

#include "core/iommu_dev/dma.h"

unsigned model_polls, model_revocations;
uint32_t model_revoked;
unsigned model_forgotten;
void (*model_on_forget)(uint16_t device);

void dma_forget_interrupts(uint16_t device)
{
    model_forgotten++;
    if (model_on_forget)
        model_on_forget(device);
}

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
