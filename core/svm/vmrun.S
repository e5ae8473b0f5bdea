/*
 * The only code that runs between core and a domain.
 *
 * VMRUN saves the host's RSP, RAX, RIP, CR and segment state at VM_HSAVE_PA and #VMEXIT
 * loads it back (APM vol. 2, 15.5.1, 15.6); all other general registers are moved here.
 * GIF stays clear from svm_run on; VMRUN sets it for the domain.
 */
#define VCPU_RCX     0x08
#define VCPU_RDX     0x10
#define VCPU_RBX     0x18
#define VCPU_RBP     0x28
#define VCPU_RSI     0x30
#define VCPU_RDI     0x38
#define VCPU_R8      0x40
#define VCPU_VMCB    0x80
#define VCPU_HANDLER 0x88
#define VCPU_HOST    0x90
#define VCPU_TAKE    0x98
#define VCPU_TURNS   0xa0 /* and, above it, `requests` */

#define VMCB_CLEAN 0xc0
#define CLEAN_ALL  0x7ff

    .section .text
    .globl svm_loop
/* _Noreturn void svm_loop(struct vcpu *vcpu, uint64_t *stack) */
svm_loop:
    clgi
    mov VCPU_VMCB(%rdi), %rax
    vmload %rax
    /* With V_INTR_MASKING the host's IF lets INTR end the domain's run (15.21.1). */
    cmpq $0, VCPU_TAKE(%rdi)
    je 1f
    sti
1:  and $-16, %rsp
    push %rdi
    push %rdi /* keeps the stack aligned at the call */
    mov %rsp, (%rsi)
    jmp resume
run:
#ifdef SVM_CHECK
    call svm_check_entry
    mov (%rsp), %rdi
#endif
    mov VCPU_VMCB(%rdi), %rax
    mov VCPU_RCX(%rdi), %rcx
    mov VCPU_RDX(%rdi), %rdx
    mov VCPU_RBX(%rdi), %rbx
    mov VCPU_RBP(%rdi), %rbp
    mov VCPU_RSI(%rdi), %rsi
    mov VCPU_R8 + 0x00(%rdi), %r8
    mov VCPU_R8 + 0x08(%rdi), %r9
    mov VCPU_R8 + 0x10(%rdi), %r10
    mov VCPU_R8 + 0x18(%rdi), %r11
    mov VCPU_R8 + 0x20(%rdi), %r12
    mov VCPU_R8 + 0x28(%rdi), %r13
    mov VCPU_R8 + 0x30(%rdi), %r14
    mov VCPU_R8 + 0x38(%rdi), %r15
    mov VCPU_RDI(%rdi), %rdi
    vmrun %rax
    push %rdi
    mov 8(%rsp), %rdi
    incw VCPU_TURNS(%rdi) /* `requests` stay out of it: anybody may be setting them */
    mov %rcx, VCPU_RCX(%rdi)
    mov %rdx, VCPU_RDX(%rdi)
    mov %rbx, VCPU_RBX(%rdi)
    mov %rbp, VCPU_RBP(%rdi)
    mov %rsi, VCPU_RSI(%rdi)
    mov %r8, VCPU_R8 + 0x00(%rdi)
    mov %r9, VCPU_R8 + 0x08(%rdi)
    mov %r10, VCPU_R8 + 0x10(%rdi)
    mov %r11, VCPU_R8 + 0x18(%rdi)
    mov %r12, VCPU_R8 + 0x20(%rdi)
    mov %r13, VCPU_R8 + 0x28(%rdi)
    mov %r14, VCPU_R8 + 0x30(%rdi)
    mov %r15, VCPU_R8 + 0x38(%rdi)
    pop VCPU_RDI(%rdi)
    /* #VMEXIT brought back RAX, the VMCB. What core changes there it marks. */
    movl $CLEAN_ALL, VMCB_CLEAN(%rax) /* CPUs without clean bits don't look */
#ifdef SVM_CHECK
    call svm_check_exit
    mov (%rsp), %rdi
#endif
    call *VCPU_HANDLER(%rdi)
resume:
    mov (%rsp), %rdi
    /*
     * One locked access makes `turns` odd and reads `requests`, whose highest bit is the sign; even
     * before, `turns` carries nothing over. So of whoever sets a bit in `requests` and then reads
     * `turns` either the bit is seen here, or `turns` is seen odd there; who sees that sends an
     * interrupt, which waits for VMRUN's GIF.
     */
    lock incl VCPU_TURNS(%rdi)
    jns run
    incw VCPU_TURNS(%rdi)
    call svm_attend
    mov %rax, (%rsp)
    jmp resume

    .globl svm_resume
/* _Noreturn void svm_resume(struct vcpu *vcpu, uint64_t stack) */
svm_resume:
    mov %rsi, %rsp
    mov %rdi, (%rsp)
    jmp resume

    .globl svm_window
/*
 * void svm_window(struct vmcb *guest, struct vmcb *host, bool sleep, bool interrupts)
 *
 * The one place where GIF is set while core runs.
 */
svm_window:
    mov %rdi, %rax
    vmsave %rax
    mov %rsi, %rax
    vmload %rax
    cli
    test %dl, %dl
    jz 2f
    test %cl, %cl
    jz 1f
    stgi
    sti /* takes effect after the next instruction: what wakes this CPU can't come before HLT */
    hlt
    jmp 3f
1:  stgi
    .globl svm_doze
svm_doze: /* an NMI that comes before it ends it, too: struct cpu's `doze` */
    hlt
    jmp 3f
2:  stgi /* NMI and SMI are taken here */
    test %cl, %cl
    jz 3f
    sti
3:  nop /* interrupts are taken after it */
    clgi
    mov %rdi, %rax
    vmload %rax
    ret

    .globl svm_save
/* void svm_save(struct vmcb *guest) */
svm_save:
    mov %rdi, %rax
    vmsave %rax
    ret

    .globl svm_load
/* void svm_load(struct vmcb *guest) */
svm_load:
    mov %rdi, %rax
    vmload %rax
    ret

    .globl svm_call_host
/*
 * void svm_call_host(struct vmcb *guest, struct vmcb *host, void (*function)(void *),
 *                    void *argument)
 */
svm_call_host:
    push %rbp
    mov %rsp, %rbp
    push %rdi
    sub $512 + 8, %rsp
    and $-16, %rsp
    fxsave64 (%rsp)
    mov %rdi, %rax
    vmsave %rax
    mov %rsi, %rax
    vmload %rax
    mov %rcx, %rdi
    call *%rdx
    mov -8(%rbp), %rax
    vmload %rax
    fxrstor64 (%rsp)
    leave
    ret

    .section .note.GNU-stack, "", @progbits
