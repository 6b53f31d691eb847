"""Run guests: places whose top process is a virtual machine monitor (VMM)."""
